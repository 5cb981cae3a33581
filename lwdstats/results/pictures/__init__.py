"""What pictures share: one style, looks by covariate, names and legends without overlap."""
