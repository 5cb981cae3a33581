"""The Gaussian engine: a step of a model at once."""
