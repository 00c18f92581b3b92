"""Runs of pipelines: who starts them, who runs them, what is kept of them."""
