"""Rates and bans of a running node: counted in memory, kept in the store, shared by nodes."""
