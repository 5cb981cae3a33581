"""Linear models, their analyses of variance and their marginal means."""
