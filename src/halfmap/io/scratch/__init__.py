"""Copies of stacks on a disc of the node, or in its memory: shared, checked, cleared away."""
