"""Formulas of R: their syntax, terms, functions and values."""
