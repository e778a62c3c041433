"""Rates and bans of a running node: counted in memory, stored, shared between nodes."""
