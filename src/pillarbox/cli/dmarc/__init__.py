"""The command ``pillarbox dmarc``: policies and reports, explained."""
