"""Pre-trained encoders: reading checkpoints, building their graphs."""
