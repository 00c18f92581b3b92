"""Deployments of templates: begun, run, kept and recovered."""
