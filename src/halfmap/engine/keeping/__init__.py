"""What is kept on disc in the middle of an iteration, and taken up again."""
