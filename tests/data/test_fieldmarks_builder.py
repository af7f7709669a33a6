"""The records of FieldMarks hold what was drawn, whole, and once."""

import io
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data import records
from jaxens.data.fieldmarks import builder as fieldmarks
from jaxens.data.fieldmarks.draw import Drawing, encoded, render
from jaxens.data.source import Source
from jaxens.errors import UserError
from tests.data.drawings import same

SMALL = {"train": 6, "val": 3, "test": 3}


def test_records_hold_what_was_drawn(tmp_path: Path) -> None:
    builder = fieldmarks.prepare(tmp_path, size=32, seed=3, counts=SMALL)
    assert records.info_of(builder) == fieldmarks.INFO
    starts = {"train": 0, "val": 1_000_000, "test": 2_000_000}
    for split, start in starts.items():
        source = Source(builder, split, size=32)
        assert len(source) == SMALL[split]
        for i in range(len(source)):
            read = source.example(i)
            drawn = render(3, start + i, 32)
            image, mask = (np.asarray(Image.open(io.BytesIO(b))) for b in (read.image, read.mask))
            assert same(
                Drawing(image, mask[..., None], read.points, read.box, dict(read.labels)), drawn
            )


@pytest.mark.slow
def test_many_processes_draw_the_same_in_the_same_order(tmp_path: Path) -> None:
    counts = {"train": 33, "val": 1, "test": 1}
    alone = fieldmarks.FieldMarks(size=16, seed=0, counts=counts, data_dir=tmp_path)
    drawn = [record["image"] for _, record in alone._generate_examples("train")]
    builder = fieldmarks.prepare(tmp_path, 16, 0, counts)
    source = Source(builder, "train", size=16)
    assert [source.example(i).image for i in range(33)] == drawn


def test_size_seed_and_counts_have_separate_folders(tmp_path: Path) -> None:
    def folder(size: int = 64, seed: int = 0, **counts: int) -> str:
        choice = SMALL | counts
        return str(
            fieldmarks.FieldMarks(size=size, seed=seed, counts=choice, data_dir=tmp_path).data_dir
        )

    folders = [folder(), folder(size=32), folder(seed=1), folder(train=7), folder(val=7)]
    assert len(set(folders)) == 5
    assert all(f.endswith(str(fieldmarks.FieldMarks.VERSION)) for f in folders)


def test_drawing_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fieldmarks.prepare(tmp_path, 16, 0, SMALL)
    monkeypatch.setattr(fieldmarks, "encoded", _fail_at())
    again = fieldmarks.prepare(tmp_path, 16, 0, SMALL)
    assert first.data_dir == again.data_dir


def test_independent_attributes_have_records_of_their_own(tmp_path: Path) -> None:
    both = [fieldmarks.prepare(tmp_path, 16, 0, SMALL, independent=i) for i in (False, True)]
    assert both[0].data_dir != both[1].data_dir
    assert records.info_of(both[1]) == fieldmarks.INDEPENDENT
    read = Source(both[1], "test", size=16).example(1)
    drawn = render(0, 2_000_001, 16, independent=True)
    assert all(np.array_equal(read.labels[task], drawn.labels[task]) for task in drawn.labels)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(read.image))), drawn.image)


@pytest.mark.parametrize("blow", [KeyboardInterrupt, MemoryError])
def test_a_half_written_cache_is_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blow: type[BaseException]
) -> None:
    monkeypatch.setattr(fieldmarks, "encoded", _fail_at(4, blow))
    with pytest.raises(blow):
        fieldmarks.prepare(tmp_path, 16, 0, SMALL)
    monkeypatch.undo()
    _check_whole(fieldmarks.prepare(tmp_path, 16, 0, SMALL), tmp_path)


def test_the_temporary_folder_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    builder = fieldmarks.FieldMarks(size=16, seed=0, counts=SMALL, data_dir=tmp_path)
    folder = Path(builder.data_dir)
    leftover = folder.with_name(f"incomplete.ABC123_{folder.name}")
    leftover.mkdir(parents=True)
    (leftover / "field_marks-train.array_record-00000-of-00001").write_bytes(b"half a reco")
    _check_whole(fieldmarks.prepare(tmp_path, 16, 0, SMALL), tmp_path)


def _check_whole(builder: tfds.core.DatasetBuilder, cache: Path) -> None:
    assert {s: len(Source(builder, s, 16)) for s in SMALL} == SMALL
    assert not list(cache.rglob("*incomplete*"))


def _fail_at(index: int = 0, error: type[BaseException] = AssertionError) -> Any:
    def drawn(seed: int, i: int, size: int, independent: bool) -> dict[str, Any]:
        if i >= index:
            raise error
        return encoded(seed, i, size, independent)

    return drawn


@pytest.mark.parametrize(
    ("choice", "named"),
    [
        ({"size": 8}, "size 8"),
        ({"seed": -1}, "seed -1"),
        ({"counts": {"train": 5}}, "counts"),
        ({"counts": SMALL | {"val": 0}}, "val has 0"),
    ],
)
def test_a_value_out_of_range_is_named(
    tmp_path: Path, choice: dict[str, Any], named: Sequence[str]
) -> None:
    with pytest.raises(UserError, match=str(named)):
        fieldmarks.prepare(tmp_path, **({"counts": SMALL} | choice))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_script_without_the_guard_is_told_so(tmp_path: Path) -> None:
    """Its workers run it again, and would wait for its lock for ever."""
    script = tmp_path / "script.py"
    sizes = "train_images=40, val_images=4, test_images=4, image_size=16"
    script.write_text(
        "import jaxens.data\n"
        f"jaxens.data.open('fieldmarks', cache_dir={str(tmp_path)!r}, {sizes})\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "UserError: " in line]
    assert "a process that draws FieldMarks died: " in line
    assert line.endswith('or start your script below `if __name__ == "__main__":`')
