"""System procedures: what clients and scripts call by names that begin with `sp_`."""
