"""Laws of decay over replicates: limit, rate, half-life."""
