"""A stranger's folder whose dataset.toml is proposed."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.folder.parsing import read_layout

NAMES = [f"{kind}_{i}" for kind in ("Big Cat", "dog") for i in range(6)]
VOC = (
    "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax>"
    "<ymax>9</ymax></bndbox></object></annotation>"
)


def image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photos(
    root: Path, folder: str = "images", names: Iterable[object] = NAMES, ending: str = "jpg"
) -> None:
    for i, name in enumerate(names):
        pixels = np.random.default_rng(i).integers(0, 256, (18, 20, 3), dtype=np.uint8)
        image(root / folder / f"{name}.{ending}", pixels)


def values(*each: int) -> np.ndarray:
    return np.resize(np.array(each, np.uint8), (18, 20))


def proposed(root: Path) -> str:
    """The proposal, which can be read, and describes photos that can be prepared."""
    text = jaxens.data.propose(root)
    (root / "dataset.toml").write_text(text)
    read_layout(root)
    builder.read(root)
    return text
