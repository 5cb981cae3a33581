"""The command `lwdstats`."""
