"""A trained network -> what others run."""
