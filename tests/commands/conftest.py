"""Images that tests of commands explain."""

import numpy as np
import pytest
from PIL import Image

from jaxens.data.opening import open_data
from jaxens.runs.run import Run


@pytest.fixture(scope="module")
def source(run):
    return open_data(Run.open(run.folder).config.data).test


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    file = tmp_path_factory.mktemp("photos") / "bird[bold]$1_$.png"  # no mark-up, no formula
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file
