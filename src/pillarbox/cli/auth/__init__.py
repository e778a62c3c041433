"""The command ``pillarbox auth``: failed logins, bans, and lines of a password file."""
