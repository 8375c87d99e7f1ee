"""EMAN2's processors: what is done to projections before a reconstruction, and to the map then."""
