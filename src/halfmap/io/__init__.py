"""Files: STAR, MRC, stacks, the run folder, the exact state of a run."""
