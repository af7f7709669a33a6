"""Runs `evaluate` with settings that take seconds."""

from jaxens.cli.console import console
from jaxens.evaluate import main as evaluate

QUICK = [
    *("--steps", "2", "--shap-samples", "2", "--lime-samples", "20", "--noise-samples", "2"),
    *("--member-images-at-once", "8", "--orders", "3"),
]


def evaluated(folder, *words):
    """Returns what the command prints."""
    with console.capture() as capture:
        evaluate([str(folder), *QUICK, *words])
    return capture.get()
