import errno
import io
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from jaxens.data import preparing, records, schema
from jaxens.data.preparing import ExampleBuilder, fingerprint, notices, prepare_builder
from jaxens.data.source import Source, load
from jaxens.errors import UserError

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


def test_without_file_locks_process_0_prepares_and_the_others_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    def process_0_prepares(_: float) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("jax.process_index", lambda: 0)
            prepared(tmp_path)

    monkeypatch.setattr("fcntl.flock", no_locks)
    monkeypatch.setattr("jax.process_index", lambda: 1)
    monkeypatch.setattr(preparing.time, "sleep", process_0_prepares)
    assert notices(prepared(tmp_path)) == ["one square was round"]
    assert Squares.generated == 1


def test_an_existing_cache_is_opened_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def refuse(*arguments: Any) -> None:
        raise PermissionError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", refuse)
    monkeypatch.setattr(preparing, "_lock", refuse)
    assert len(Source(prepared(tmp_path), "train", 2)) == 4
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "squares").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"squares can't be written .*choose another `cache_dir`"):
        prepared(tmp_path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("1.0.0/*") if path.is_file())


@pytest.mark.parametrize("damage", ["emptied", "cut", "changed", "removed", "made a folder"])
@pytest.mark.parametrize("name", ["dataset_info", "features", "metadata", "seal", "array_record"])
def test_damaged_data_is_prepared_anew_or_named_when_it_is_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, name: str
) -> None:
    whole = fingerprint(prepared(tmp_path))
    file = next(path for path in _files(tmp_path) if name in path.name)
    content = file.read_bytes()
    file.unlink()
    if damage == "emptied":
        file.touch()
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "changed":
        at = content.find(b"PNG") if name == "array_record" else len(content) // 2
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    elif damage == "made a folder":
        file.mkdir()
    again = prepared(tmp_path)
    folder = str(tmp_path / "squares" / "1.0.0")
    if damage == "changed" and name == "array_record":  # found when the record is read
        with pytest.raises(UserError, match=r"train images are damaged \(.*delete this") as caught:
            load(Source(again, "train", 2))
        assert folder in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    assert f"{folder} is incomplete or damaged (" in caplog.text
    assert name in caplog.text or name == "seal"
    assert fingerprint(again) == whole
    assert len(load(Source(again, "train", 2))) == 4
