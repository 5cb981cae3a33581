"""Models that run here."""
