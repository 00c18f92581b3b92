"""Data Factory and Synapse pipelines that really run."""
