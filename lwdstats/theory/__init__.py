"""What the specification of a network implies, before anything is simulated."""
