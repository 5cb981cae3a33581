"""What a network of Gaussian mixtures is, before it is computed or run."""
