"""The `docker` runtime: environments as images, processes as containers."""
