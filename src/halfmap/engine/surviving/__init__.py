"""The loss of ranks, and ranks that stall: a layer around a whole run."""
