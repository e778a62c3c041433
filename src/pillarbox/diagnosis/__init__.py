"""Why mail fails: what a reply, a log line, an error or a bounce means, and what to do about it."""
