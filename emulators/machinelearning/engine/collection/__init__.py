"""Data collection: what deployments log of their models' data, kept, rolled and sent to storage."""
