"""A package of one's own, which builds on inception_lightning. Copy it, rename it, and keep what you need."""
