"""Run directories: config files, checkpoints, provenance, training, loading and export."""

import lazy_loader

# `--help` imports the config, and must not load JAX.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "exporting": ["export"],
        "fit": ["Trained", "train"],
        "opened": ["Opened", "load_ensemble", "open_trained"],
        "own_data": ["data_of"],
        "run": ["Run"],
        "watch": ["Watch"],
    },
)
