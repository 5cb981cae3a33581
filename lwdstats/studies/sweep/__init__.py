"""Sweeps: what varies, what is measured, what is kept, and what comes of it."""
