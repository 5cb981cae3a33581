"""From a specification to a dataset: both networks of the paper."""
