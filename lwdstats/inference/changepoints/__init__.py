"""Sudden falls and jumps."""
