"""From options and files to the state before the first iteration."""
