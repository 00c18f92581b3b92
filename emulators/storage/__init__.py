"""Azure Storage: the Blob service, the DFS calls that SDKs make, and its accounts."""
