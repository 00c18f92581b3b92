"""Files as rows and rows as files: delimited text, JSON, Parquet; packed or plain."""
