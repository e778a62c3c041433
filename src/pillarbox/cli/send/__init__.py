"""The command ``pillarbox send``: one test message."""
