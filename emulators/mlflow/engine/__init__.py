"""The server process, its stores, and what Azure and MLflow call the same thing."""
