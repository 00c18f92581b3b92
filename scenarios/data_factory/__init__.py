"""Scenario 3: a Data Factory pipeline that scores by the batch endpoint."""
