"""Reports: the daily ones that we send about other domains, and received ones about ours."""
