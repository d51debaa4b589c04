"""A trained network -> numbers to decide by: its predictions, and which classes it confuses."""
