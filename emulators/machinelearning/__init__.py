"""Azure Machine Learning: workspaces, assets, jobs and endpoints, really run on this machine."""
