"""What `python -m jaxens.bench` measures: ratios of things that run in turn in one process."""
