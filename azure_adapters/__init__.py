"""What scenarios may ask of the cloud, on the official SDKs only."""
