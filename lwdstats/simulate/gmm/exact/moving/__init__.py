"""Algorithm 2 with means and covariances that move."""
