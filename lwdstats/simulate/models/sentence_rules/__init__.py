"""What decides where the first sentence of an answer ends, a file for each version of the rule."""
