"""Run directories: config, checkpoints, provenance, and the way back to an ensemble."""
