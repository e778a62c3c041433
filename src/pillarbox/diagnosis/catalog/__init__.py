"""The catalog of causes: data with sources, one file for each part of a delivery."""
