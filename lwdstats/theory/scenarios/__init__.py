"""Moments of networks in scenarios of growth and reading, in closed form."""
