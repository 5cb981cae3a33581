"""Answers as other tools log them, as tables that `as_results` takes."""
