"""The loop: what happens next."""
