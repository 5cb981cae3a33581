"""Homogeneity of dispersions."""
