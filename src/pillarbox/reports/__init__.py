"""Reports about others' domains that we send each day, and those that we get about ours."""
