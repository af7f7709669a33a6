"""Data sets of more images than fit the memory."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorflow_datasets.core import shuffle

from jaxens.data.collection import prepare_collection
from jaxens.data.folder import builder
from jaxens.data.folder.proposing import propose
from jaxens.data.source import Source
from tests.data.test_collection import collection, items

PHOTOS = 10_000


def test_a_split_larger_than_the_buffer_of_tfds_is_prepared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond it, TFDS's own writer needs TensorFlow."""
    monkeypatch.setattr(shuffle, "MAX_MEM_BUFFER_SIZE", 100)
    photos = items(tmp_path)
    records = prepare_collection(lambda: collection(tmp_path, photos), tmp_path, "tiny-1")
    assert [example.id for example in Source(records, "train", 16)] == [
        f"{i}.png" for i in range(6)
    ]


@pytest.mark.long
def test_ten_thousand_photos_with_masks_take_little_memory(tmp_path: Path) -> None:
    """1.7 gigabytes of photos of 500 px: noise, of which JPEGs are large."""
    rng = np.random.default_rng(0)
    photo, mask = tmp_path / "photo.jpg", tmp_path / "mask.png"
    noise = rng.integers(0, 256, (500, 500, 3), np.uint8)
    Image.fromarray(noise).save(photo, quality=80)
    assert photo.stat().st_size > 160_000
    Image.fromarray(np.pad(np.full((200, 200), 255, np.uint8), 150)).save(mask)
    root = tmp_path / "photos"
    for name in ("images/a", "images/b", "masks/head"):
        (root / name).mkdir(parents=True)
    for i in range(PHOTOS):
        os.link(photo, root / f"images/{'ab'[i % 2]}/{i}.jpg")
        os.link(mask, root / f"masks/head/{i}.png")
    (root / "dataset.toml").write_text(
        'images = "images"\n[tasks.kind]\nfolders = true\n'
        '[parts.head]\nmasks = "masks/head/{stem}.png"\n'
    )
    first, again = (_open(root, tmp_path / "cache") for _ in range(2))
    assert first["photos"] == again["photos"] == PHOTOS
    assert first["bytes"] < 1.5 * 2**30
    assert first["shards"] == 3
    assert again["bytes"] < first["bytes"]  # no photo is read


@pytest.mark.long
def test_a_folder_of_a_hundred_thousand_files_is_described_and_read(tmp_path: Path) -> None:
    photo, mask = tmp_path / "photo.jpg", tmp_path / "mask.png"
    Image.new("RGB", (8, 8)).save(photo)
    Image.new("L", (8, 8)).save(mask)
    root = tmp_path / "photos"
    for name in ("a", "b", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(50_000):
        os.link(photo, root / "ab"[i % 2] / f"{i}.jpg")
        os.link(mask, root / "masks" / f"{i}.png")
    layout = tmp_path / "layout.toml"
    layout.write_text(propose(root))
    read = builder.read(root, layout)
    assert {name: len(items) for name, items in read.splits.items()} == {
        "train": 35_000,
        "val": 5_000,
        "test": 10_000,
    }
    assert read.info.tasks[0].classes == ("a", "b")
    assert all(len(item.marks) == 1 for item in read.splits["test"])


def _open(folder: Path, cache: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.data.large", str(folder), str(cache)]
    return json.loads(subprocess.check_output(command))
