"""The version of the package, which every dataset records."""

__version__ = "0.1.0"
