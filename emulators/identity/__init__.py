"""Entra ID: token endpoints, OpenID metadata, managed identity, applications."""
