"""ARM JSON to values and back: routes of the resource manager."""
