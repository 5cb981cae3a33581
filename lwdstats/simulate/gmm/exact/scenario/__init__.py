"""Algorithm 3 in other scenarios than the paper's."""
