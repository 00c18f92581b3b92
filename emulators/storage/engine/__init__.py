"""What the Storage operations mean, and how bytes are kept."""
