"""Scenario 4: a dedicated SQL pool that scores its rows by PREDICT."""
