"""What changes when components overlap."""
