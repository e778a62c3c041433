"""What strangers are checked for on mx listeners: DNS lists, greylisting, names."""
