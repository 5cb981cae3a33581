"""What every result can do: print as R, become a table, be drawn, answer to R's generics."""
