"""Checks of unknown clients on mx listeners: DNS lists, greylisting, names."""
