"""Particle files of cryoSPARC: read, written, and converted to and from STAR without loss."""
