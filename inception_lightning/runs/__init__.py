"""One run on disk: its folder, checkpoints, metrics and signals. Knows no training loop."""
