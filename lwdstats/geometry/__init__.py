"""From a dataset to distances and coordinates."""
