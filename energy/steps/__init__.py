"""The steps of a quarter hour: rows in, library input, library answer, rows out."""
