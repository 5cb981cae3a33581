"""Algorithms 2 and 3: networks of Gaussian mixtures."""
