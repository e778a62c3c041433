"""The command ``pillarbox reports``: DMARC and TLS reports, read as one."""
