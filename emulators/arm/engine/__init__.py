"""What groups, providers and generic resources mean. No HTTP."""
