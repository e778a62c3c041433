"""The command ``pillarbox relay``: the relay policy, explained and proved."""
