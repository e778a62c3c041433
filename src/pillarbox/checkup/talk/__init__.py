"""``pillarbox talk``: an SMTP session by hand, explained line by line."""
