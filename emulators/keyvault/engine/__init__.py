"""What the operations mean, and the work itself. No HTTP."""
