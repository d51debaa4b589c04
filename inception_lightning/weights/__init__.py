"""Public files to our networks and back."""
