"""Confidence regions of points in a perspective space."""
