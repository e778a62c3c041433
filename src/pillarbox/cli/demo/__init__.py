"""The command ``pillarbox demo``, behind ``make run``."""
