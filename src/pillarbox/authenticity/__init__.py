"""Who sent this: messages are judged as they come in, and signed as they are submitted."""
