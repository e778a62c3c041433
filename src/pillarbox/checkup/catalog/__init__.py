"""What is known of providers, block lists and selectors: data with sources, and its loaders."""
