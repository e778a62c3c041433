"""What the probes found: plain values, in which None means that no answer came in time."""
