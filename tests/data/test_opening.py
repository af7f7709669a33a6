"""The registry of data sets, their settings, and what importing them costs."""

import logging
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import jaxens.data
from jaxens.data.fieldmarks import builder
from jaxens.data.progress import Progress
from jaxens.data.registry import DataSource
from jaxens.data.settings import Data
from jaxens.data.source import load
from jaxens.errors import UserError
from tests.data import tiny_cub

COUNTS = {"train_images": 4, "val_images": 2, "test_images": 3}
HEAVY = ("tensorflow_datasets", "matplotlib", "jax", "flax", "orbax")


@pytest.mark.parametrize(
    "module", ["opening", "schema", "masks", "registry", "settings", "progress"]
)
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, jaxens.data.{module}\nprint(*(m for m in {HEAVY} if m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_a_data_set_is_opened_by_its_name_and_reports_progress_once(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []

    def progress(description: str, done: int, total: int) -> None:
        calls.append((description, done, total))

    for _ in range(2):
        data = jaxens.data.open(
            "fieldmarks", cache_dir=str(tmp_path), image_size=16, progress=progress, **COUNTS
        )
        assert [len(split) for split in (data.train, data.val, data.test)] == [4, 2, 3]
    assert calls == [("drawing FieldMarks", done, 9) for done in range(1, 10)]
    calls.clear()
    load(data.val, progress)
    assert calls == [("reading the val images", done, 2) for done in (1, 2)]


def test_a_data_set_in_a_folder_is_opened_and_its_warnings_are_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tiny_cub.write(tmp_path)
    with caplog.at_level(logging.WARNING):
        data = jaxens.data.open(
            "cub", data_dir=str(root), cache_dir=str(tmp_path / "cache"), image_size=16
        )
    assert "no image_attribute_labels.txt" in caplog.text
    assert data.info.choose_tasks(("family",)) == (data.info.task("family"),)
    with pytest.raises(UserError, match="there is no task 'age': choose from species"):
        data.info.choose_tasks(("age",))


def test_a_new_row_of_the_registry_is_a_new_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def prepare(folder: Path, cache_dir: Path, progress: Progress) -> object:
        assert folder == Path("birds")
        return builder.prepare(cache_dir, 16, 0, {"train": 4, "val": 2, "test": 3}, progress)

    monkeypatch.setitem(sys.modules, "my_birds", SimpleNamespace(prepare=prepare))
    row = DataSource("my birds", "my_birds", needs_folder=True)
    monkeypatch.setitem(jaxens.data.SOURCES, "mine", row)
    with pytest.raises(UserError, match="`data` mine needs the folder that holds it"):
        Data(source="mine")
    data = jaxens.data.open("mine", data_dir="birds", cache_dir=str(tmp_path), image_size=16)
    assert data.train[0].image.shape == (16, 16, 3)
    assert data.train[0].image.dtype == np.uint8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": "fieldmark"}, "`data` fieldmark is not a data set: did you mean fieldmarks"),
        ({"source": "mnist"}, "`data` mnist is not a data set: choose from fieldmarks, cub"),
        ({"source": "cub"}, "`data` cub needs the folder that holds it: add `data_dir` FOLDER"),
        ({"data_dir": "birds"}, "`data_dir` is for `data` cub"),
        (
            {"source": "cub", "data_dir": "birds", "attributes": "independent"},
            "`attributes` independent is for `data` fieldmarks, not cub: omit it",
        ),
        (
            {"source": "cub", "data_dir": "birds", "layout": "x.toml"},
            "`layout` is for `data` folder: add that, or omit `layout`",
        ),
        ({"image_size": 8}, "`image_size` must be at least 16, not 8"),
        ({"train_images": 0}, "`train_images` must be at least 1, not 0"),
        ({"workers": 100_000}, "`workers` must be at most 1,024, not 100,000"),
        ({"tasks": ("a", "a")}, "`tasks` names one twice"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(settings: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Data(**settings)
