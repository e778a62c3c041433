"""Checks of strangers on mx listeners: DNS lists, greylisting, names."""
