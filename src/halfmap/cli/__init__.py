"""One file a command: parse, hand over, exit code."""
