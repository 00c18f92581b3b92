"""What activities connect to: datasets, linked services, credentials, files and tables."""
