"""Scenario 1: a batch endpoint, from a trained model to scored files and a second release."""
