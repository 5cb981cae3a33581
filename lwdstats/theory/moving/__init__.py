"""Theory of components that move."""
