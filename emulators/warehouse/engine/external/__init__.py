"""COPY INTO, external tables: rows from and to the Blob emulator, through our own reading."""
