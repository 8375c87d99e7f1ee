"""Compiled CPU kernels, one file a family; BLAS does the large products."""
