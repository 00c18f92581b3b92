"""Schedules: what a trigger means in time, what a firing does, and who watches the clock."""
