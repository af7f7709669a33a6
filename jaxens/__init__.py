"""Ensembles of image classifiers trained as one JAX program, explained, and scored."""
