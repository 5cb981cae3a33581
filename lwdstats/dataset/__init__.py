"""One shape for every run: its names, its files, its tables, a user's own answers."""
