"""The experiments of the paper: read, run, compared with the paper, and shown on one page."""

import lazy_loader

# `--help` must not load JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "comparing": ["Comparison", "Numbers"],
        "experiments": ["Experiment", "Setting", "read_experiments"],
        "outcomes": ["Outcome", "Reproduction"],
        "page": ["write_page"],
        "reproducing": ["reproduce"],
        "watch": ["Watch"],
    },
)
