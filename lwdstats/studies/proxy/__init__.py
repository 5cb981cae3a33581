"""A network of mixtures fitted to a run: what it estimates, forecasts, and where it fails."""
