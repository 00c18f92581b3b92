"""What T-SQL knows of a database and DuckDB does not, kept inside the DuckDB file itself."""
