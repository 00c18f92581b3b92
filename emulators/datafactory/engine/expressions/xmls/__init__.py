"""XML values: a small document tree, its text, its JSON, and XPath 1.0 over it."""
