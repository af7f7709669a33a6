"""The page of a data set."""

import numpy as np
import pytest
from PIL import Image

from jaxens.data.__main__ import main as browse
from jaxens.errors import UserError


def test_a_page_shows_pictures_with_their_truth(flags, tmp_path):
    data = [*flags[:6], *flags[flags.index("--image-size") :]]
    browse(["browse", *data, "--images", "7", "--out", str(tmp_path / "page.png")])
    with Image.open(tmp_path / "page.png") as page:
        seen = np.asarray(page.convert("RGB")).reshape(-1, 3)
    assert len(np.unique(seen, axis=0)) > 1000


def test_an_unknown_split_is_named(flags):
    with pytest.raises(UserError, match="validation"):
        browse(["browse", "--split", "validation"])
