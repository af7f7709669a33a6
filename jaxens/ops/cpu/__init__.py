"""Forms of the convolution that are fast on XLA:CPU."""
