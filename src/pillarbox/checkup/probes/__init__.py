"""What asks the network: every question in parallel, under one deadline."""
