"""Tests that permute observations."""
