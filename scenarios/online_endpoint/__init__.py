"""Scenario 2: a managed online endpoint, from data to a rolled-back release."""
