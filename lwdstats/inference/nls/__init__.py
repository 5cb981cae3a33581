"""Nonlinear least squares with R's face."""
