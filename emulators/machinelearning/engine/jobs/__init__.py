"""Jobs: what is asked for (specs), in which order (dag), with which values, and running it."""
