"""Ensembles of image classifiers trained as one JAX program, explained, and scored."""

import os
import typing

if typing.TYPE_CHECKING:
    from jaxens.ensemble import Ensemble

__version__ = "0.1.0"


def load(run: str | os.PathLike[str]) -> "Ensemble":
    """The ensemble of a run directory, from the checkpoint that was best on validation.

    Raises `jaxens.errors.UserError` if the directory is no run or holds no checkpoint.
    """
    # Late, so that jaxens.attribution and jaxens.metrics come without the rest.
    from jaxens.runs.loading import load_ensemble

    return load_ensemble(run)
