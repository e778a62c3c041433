"""What a probe found out: values without behavior, in which None means not answered in time."""
