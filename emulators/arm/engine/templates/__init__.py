"""The template language: text and JSON to values and planned resources. Knows no deployment."""
