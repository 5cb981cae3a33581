"""A run on the disk: each batch of answers, what was spent, and the run as it stands."""
