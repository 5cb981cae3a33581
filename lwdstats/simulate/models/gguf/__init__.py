"""Models that run here from GGUF files, through llama.cpp and without torch."""
