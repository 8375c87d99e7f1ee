"""What was asked: every option declared once.

Read `parse` first. It lives in `command_line`; the declarations are in one file a group.
"""
