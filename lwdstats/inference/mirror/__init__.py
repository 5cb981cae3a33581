"""The path of a network as one curve, and when its course changed."""
