"""Algorithm 1: networks of language models."""
