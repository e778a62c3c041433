"""Gathering facts over the network: all questions in parallel, under one deadline."""
