"""Data kernel perspective spaces: models as points by what they answer."""
