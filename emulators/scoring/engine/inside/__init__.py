"""The scoring worker: runs in the deployment's own Python, 3.8 or newer, standard library only."""
