"""Options of ``halfmap reconstruct``: those of e2make3dpar, and those for RELION's tables."""
