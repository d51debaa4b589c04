"""A PyTorch Lightning research template for the whole Inception family."""

__version__ = "0.1.0"
