"""The exact engine: every draw, as the paper has it."""
