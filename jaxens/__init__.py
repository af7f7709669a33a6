"""Ensembles of image classifiers trained as one JAX program, explained, and scored."""

import os
import sys

# `python -m jaxens.COMMAND`: Ctrl-C during its imports is one line. Other programs are left alone.
if sys.argv[:1] == ["-m"]:
    module = sys.orig_argv[-len(sys.argv)].removeprefix("-m")
    if module.split(".")[0] == "jaxens":
        from jaxens.cli import signals

        signals.handle()

TYPE_CHECKING = False  # as in `typing`, which takes a while to import
if TYPE_CHECKING:
    from jaxens.ensemble import Ensemble

__version__ = "0.1.0"


def load(run: str | os.PathLike[str]) -> "Ensemble":
    """Returns the ensemble of a run directory, from the checkpoint with the best validation score.

    Args:
        run: A run directory, or a folder that `jaxens.runs.export` has written. Either may be a
            URL, such as gs://bucket/run.

    Raises:
        jaxens.errors.UserError: If the directory is neither, has no checkpoint, or is damaged.
    """
    # Imported here, so that jaxens.attribution and jaxens.metrics load nothing else.
    from jaxens.runs.opened import load_ensemble

    return load_ensemble(run)
