"""``halfmap check``: what is wrong with a particle table, and what can be done about it."""
