"""Environments made ready and user code run in them; knows no HTTP, no ARM, no job."""
