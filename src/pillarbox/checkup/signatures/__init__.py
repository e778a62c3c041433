"""Who signed a message, and what changed since."""
