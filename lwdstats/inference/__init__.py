"""From numbers to claims: fits, tests and intervals, with the names that R gives them."""
