"""The benchmarks of `python -m jaxens.bench`: ratios of alternatives timed in one process."""
