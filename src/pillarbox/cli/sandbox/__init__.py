"""The command ``pillarbox sandbox``."""
