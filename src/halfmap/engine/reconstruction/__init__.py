"""``halfmap reconstruct``: a map from projections of known orientation. Begin at `reconstruct`."""
