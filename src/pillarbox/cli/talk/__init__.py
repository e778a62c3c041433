"""The command ``pillarbox talk``: SMTP by hand."""
