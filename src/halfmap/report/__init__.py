"""What a human reads after (and during) a run."""
