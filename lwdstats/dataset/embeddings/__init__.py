"""Embeddings of answers: by which embedder, how long texts are read, which of them is taken."""
