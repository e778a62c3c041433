"""The command ``pillarbox dkim``: keys, from their making to their end."""
