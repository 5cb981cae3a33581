"""Mann and Kendall's test."""
