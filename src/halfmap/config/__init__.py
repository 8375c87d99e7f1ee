"""What was asked: every option declared once."""
