"""Who may have a token, and for what. No HTTP."""
