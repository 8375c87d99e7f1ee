"""One iteration, in pure functions over the particles at hand."""
