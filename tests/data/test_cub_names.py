"""A user's own tables in CUB's layout are named by their folder."""

import shutil
from pathlib import Path

import pytest

from jaxens.data.cub import builder as cub
from jaxens.data.preparing import fingerprint, notices
from jaxens.data.source import Source
from jaxens.errors import UserError
from tests.data import tiny_cub


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tiny_cub.write(tmp_path / "unpacked")


@pytest.fixture
def finches(archive: Path, tmp_path: Path) -> Path:
    return archive.rename(tmp_path / "finches")


def messages(root: Path) -> list[str]:
    """What is said of a folder that lacks more and more."""
    cache = root.parent / "cache"
    (root / "images" / "001.Big_Albatross" / "Bird_0001.jpg").write_bytes(b"")
    said = [n for n in notices(cub.prepare(root, cache)) if not n.startswith(str(cache))]
    with pytest.raises(UserError) as split:
        Source(cub.prepare(root, cache), "validation", 16)
    said.append(str(split.value))
    shutil.rmtree(root / "images" / "002.Black_footed_Albatross")
    with pytest.raises(UserError) as photos:
        cub.prepare(root, cache)
    said.append(str(photos.value).replace(str(cache), ""))
    (root / "attributes" / "attributes.txt").unlink()
    said += cub.read(root).notices
    for name in ("bounding_boxes.txt", "parts/parts.txt", "images"):
        (shutil.rmtree if name == "images" else Path.unlink)(root / name)
        with pytest.raises(UserError, match=f"{name} is missing: ") as caught:
            cub.read(root)
        said.append(str(caught.value))
    return said


def test_own_tables_are_named_by_their_folder(finches: Path, monkeypatch) -> None:
    assert cub.read(finches).info.name == "finches"
    monkeypatch.chdir(finches)
    assert cub.read(Path()).info.name == "finches"
    said = "\n".join(messages(finches))
    assert "finches: no image_attribute_labels.txt, so" in said
    assert "finches: no attributes.txt, so" in said
    assert "finches: more than 5% of the 24 photos can't be used" in said
    assert "finches has no split 'validation'" in said
    assert "images is missing: add it" in said
    assert "archive" not in said
    assert "cub" not in said.replace("/cub-", "").replace("/cub/", "").lower()


def test_the_archive_is_called_cub_200_2011(archive: Path) -> None:
    assert cub.read(archive).info.name == "cub"
    assert cub.read(archive.parent).info.name == "cub"
    said = "\n".join(messages(archive))
    assert "CUB-200-2011: no image_attribute_labels.txt, so" in said
    assert "lists them: unpack the archive again" in said
    for name in ("bounding_boxes.txt", "parts/parts.txt", "images"):
        assert f"{name} is missing: unpack the whole archive of CUB-200-2011" in said


def test_a_folder_that_is_renamed_holds_the_same_data(archive: Path, tmp_path: Path) -> None:
    before = cub.prepare(archive, tmp_path / "cache")
    after = cub.prepare(archive.rename(tmp_path / "finches"), tmp_path / "cache")
    assert Source(after, "train", 16).info.name == "finches"
    assert fingerprint(after) == fingerprint(before)
