"""Reports: those about others' domains that we send each day, and those we get about ours."""
