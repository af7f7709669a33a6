"""Runs the explain command for tests, and reads what it has written."""

import json

import numpy as np
import pytest

from jaxens.cli.console import console
from jaxens.explain import main as explain

FIGURES = ["centers.png", "members.png", "single-vs-ensemble.png"]
QUICK = ["--member-images-at-once", "2"]  # one image after another: one program for all tests


def explained(*words):
    with console.capture() as capture:
        explain([*map(str, words), *QUICK])
    return capture.get()


def provenance_of(folder, method="grad_cam"):
    def no_json(constant):
        pytest.fail(f"{constant} is no JSON")

    text = (folder / method / "explanation.json").read_text()
    return json.loads(text, parse_constant=no_json)


def read(folder, method="grad_cam"):
    return np.load(folder / method / "maps.npz"), provenance_of(folder, method)
