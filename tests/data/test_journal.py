"""An interrupted preparation goes on where it stopped, and ends as one that was not."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxens.data import collection as collections
from jaxens.data.collection import Item, prepare_collection
from jaxens.data.journal import Journal, Read, parse
from jaxens.data.preparing import fingerprint, notices
from jaxens.data.reading import PhotoError
from jaxens.data.source import Source
from tests.data.test_collection import NAN, collection, items, png, trimap


class Stop(Exception):
    """What stops a preparation."""


def faulty(root: Path) -> list[Item]:
    """Twelve photos: one is damaged, one has a mask of another size, one no marks."""
    photos = items(root, 12)
    photos[0].path.write_bytes(b"no photo")
    png(root / "masks/1.png", trimap()[:8])
    photos[2] = Item("2.png", photos[2].path, photos[2].labels, np.array([[99.0, 0.0]]), NAN)
    return photos


def prepare(root: Path, cache: Path, photos: list[Item], stop: int = 99) -> Any:
    def progress(description: str, done: int, total: int) -> None:
        if done == stop:
            raise Stop

    return prepare_collection(lambda: collection(root, photos), cache, "tiny-1", progress)


def journals(cache: Path) -> list[Path]:
    return sorted((cache / "tiny-1").glob("read-*.jsonl"))


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every photo that is opened."""
    seen: list[Any] = []
    open_photo = collections.open_photo

    def counted(content: bytes) -> Any:
        seen.append(content)
        return open_photo(content)

    monkeypatch.setattr(collections, "open_photo", counted)
    return seen


@pytest.mark.parametrize("stop", [1, 5, 10, 11, 12])
def test_a_preparation_goes_on_and_ends_as_one_that_was_not_stopped(
    tmp_path: Path, decoded: list[Any], stop: int
) -> None:
    photos = faulty(tmp_path)
    whole = prepare(tmp_path, tmp_path / "whole", photos)
    cache = tmp_path / "cache"
    with pytest.raises(Stop):
        prepare(tmp_path, cache, photos, stop)
    decoded.clear()
    builder = prepare(tmp_path, cache, photos)
    contents = [photo.path.read_bytes() for photo in photos]
    assert set(decoded) & set(contents) == set(contents[stop:])
    assert fingerprint(builder) == fingerprint(whole)
    assert builder.info.metadata["excluded"] == whole.info.metadata["excluded"] == ["0.png"]
    assert [n.replace("cache", "whole") for n in notices(builder)] == notices(whole)
    for split in ("train", "val", "test"):
        for got, want in zip(Source(builder, split, 16), Source(whole, split, 16), strict=True):
            np.testing.assert_equal(asdict(got), asdict(want))
    assert journals(cache) == []


@pytest.mark.parametrize("damage", [b"", b"\0" * 40, b"12345678 {}\n"])
def test_lines_after_a_damaged_one_are_read_again(
    tmp_path: Path, decoded: list[Any], damage: bytes
) -> None:
    photos = items(tmp_path)
    with pytest.raises(Stop):
        prepare(tmp_path, tmp_path, photos, 5)
    (journal,) = journals(tmp_path)
    first, second, third, *rest = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([first, second, damage or third[:-9], *rest]))
    decoded.clear()
    prepare(tmp_path, tmp_path, photos)
    contents = [photo.path.read_bytes() for photo in photos]
    assert set(decoded) & set(contents) == set(contents[2:])


def test_lines_of_other_photos_are_not_used(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for id in ("a", "b"):
        journal.add(id, Read())
    assert [parse(line, bytes) for line in journal.lines(["a", "b", "c"])] == [Read(), Read()]
    assert len(journal.lines(["a", "c"])) == 1
    assert journal.lines(["b"]) == []
    assert not journal.path.exists()


def test_a_photo_that_can_no_longer_be_read_is_left_out(tmp_path: Path) -> None:
    photos = items(tmp_path)
    with pytest.raises(Stop):
        prepare(tmp_path, tmp_path, photos, 5)
    photos[1].path.unlink()
    builder = prepare(tmp_path, tmp_path, photos)
    assert builder.info.metadata["excluded"] == ["1.png"]


def test_an_unusable_photo_is_not_read_again() -> None:
    def photo() -> bytes:
        raise PhotoError("is gone")

    assert parse('{"id": "a", "problems": [], "masks": [], "example": null}', photo) == Read()
