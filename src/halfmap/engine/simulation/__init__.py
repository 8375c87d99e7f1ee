"""Particles from a map, atoms or a phantom, with the truth beside them."""
