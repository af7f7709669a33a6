import errno
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data import records, schema
from jaxens.data.preparing import ExampleBuilder, notices, prepare_builder
from jaxens.data.source import Source

INFO = schema.Info("squares", (schema.Task.multiclass("shade", ("dark", "light")),))


class Squares(ExampleBuilder):
    """Four gray squares; it counts how often they are generated."""

    VERSION = tfds.core.Version("1.0.0")
    images = 4
    generated = 0
    failure: Exception | None = None

    def _info(self) -> tfds.core.DatasetInfo:
        return records.dataset_info(self, INFO)

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        type(self).generated += 1
        return {"train": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[int, Any]]:
        for i in range(4):
            if i == 2 and self.failure:
                raise self.failure
            encoded = io.BytesIO()
            Image.fromarray(np.full((2, 2, 3), 60 * i, np.uint8)).save(encoded, "PNG")
            self.advance()
            yield (
                i,
                self.record(
                    "train",
                    schema.Example(
                        id=f"square {i}",
                        image=encoded.getvalue(),
                        points=np.zeros((0, 2), np.float32),
                        box=np.zeros(4, np.float32),
                        labels={"shade": np.int32(i // 2)},
                    ),
                ),
            )
        self.info.metadata["notices"] = ["one square was round"]


def prepared(cache: Path) -> tfds.core.DatasetBuilder:
    return prepare_builder(Squares, cache, lambda: Squares(data_dir=cache), "squares")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Squares, "generated", 0)
    monkeypatch.setattr(Squares, "failure", None)


def test_records_are_written_once_and_nothing_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        builder = prepared(tmp_path)
    assert Squares.generated == 1
    assert capsys.readouterr() == ("", "")
    assert notices(builder) == ["one square was round"]
    source = Source(builder, "train", 2)
    assert [source[i].id for i in range(4)] == [f"square {i}" for i in range(4)]


def test_only_the_temporary_folder_of_a_killed_run_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "squares" / "incomplete.ABC123_1.0.0"
    other = tmp_path / "squares" / "incomplete.ABC123_2.0.0"
    for folder in (leftover, other):
        folder.mkdir(parents=True)
        (folder / "half").write_text("half")
    prepared(tmp_path)
    assert not leftover.exists()
    assert other.exists()


def test_a_failure_writes_nothing_and_the_next_run_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Squares, "failure", ZeroDivisionError("in the middle"))
    with pytest.raises(ZeroDivisionError, match="in the middle"):
        prepared(tmp_path)
    assert not list(tmp_path.rglob("*1.0.0*"))
    monkeypatch.setattr(Squares, "failure", None)
    assert len(Source(prepared(tmp_path), "train", 2)) == 4


def test_a_full_disk_is_an_oserror_that_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "write() failed: No space left on device; Failed to close chunk_writer"
    monkeypatch.setattr(Squares, "failure", RuntimeError(words))
    with pytest.raises(OSError, match=re.escape(str(tmp_path / "squares"))) as caught:
        prepared(tmp_path)
    assert caught.value.errno == errno.ENOSPC


def test_threads_that_prepare_the_same_records_wait_for_each_other(tmp_path: Path) -> None:
    lengths: list[int] = []

    def prepare() -> None:
        lengths.append(len(Source(prepared(tmp_path), "train", 2)))

    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [4, 4, 4]
    assert Squares.generated == 1
