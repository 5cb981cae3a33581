"""How a web grows and who reads what: pure functions that theory and both simulators use."""
