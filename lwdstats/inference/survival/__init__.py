"""Times until something happens, of which some are censored."""
