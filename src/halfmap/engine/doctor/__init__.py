"""Is this machine, or this set of nodes, fit for a run? What to change if it is not."""
