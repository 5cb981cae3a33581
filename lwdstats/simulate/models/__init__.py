"""Language models and embedders: text in, text or vectors out."""
