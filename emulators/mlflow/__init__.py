"""The real MLflow server, run and addressed as Azure ML's tracking service."""
