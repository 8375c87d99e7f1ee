"""Repairs: each looks at a set, says what it found, and returns the set as it should be."""
