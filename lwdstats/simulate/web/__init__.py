"""The Internet A^(t): posts appended, drawn and counted."""
