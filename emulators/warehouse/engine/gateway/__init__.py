"""A real SQL Server behind: everything but PREDICT is asked there."""
