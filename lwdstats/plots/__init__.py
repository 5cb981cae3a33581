"""Pictures of datasets and results."""
