"""Class folders: the level that names the class, and photos in none of them."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.preparing import PROBLEMS
from tests.data.folders import by_id, opened, photo


def classes(root: Path) -> tuple[str, ...]:
    (task,) = builder.read(root).info.tasks
    return task.classes


def fill(root: Path, *folders: str) -> None:
    for folder in folders:
        for i in range(4):
            photo(root / folder / f"{folder.replace('/', '')}{i}.jpg", 20 * i)


def describe(root: Path) -> str:
    text = jaxens.data.propose(root)
    (root / "dataset.toml").write_text(text)
    return text


def test_the_class_is_the_folder_below_that_of_the_photos(tmp_path: Path) -> None:
    root = tmp_path / "set"
    fill(root, "photos/cat/2019", "photos/cat/2020", "photos/dog/2019/may", "photos/dog/2020")
    text = describe(root)
    assert 'images = "photos"' in text
    assert "folders = true" in text
    assert "# [tasks.label]: folders = 2 takes the folders in these, such as 2019, 2020" in text
    assert classes(root) == ("cat", "dog")


def test_the_level_may_be_set(tmp_path: Path) -> None:
    root = tmp_path / "set"
    fill(root, "cat/2019", "cat/2020", "dog/2019/may", "dog/2020")
    (root / "dataset.toml").write_text("[tasks.year]\nfolders = 2\n")
    assert classes(root) == ("2019", "2020")


@pytest.mark.parametrize("start", ["", "photos/"])
def test_a_stray_photo_next_to_class_folders_is_left_out_and_listed(
    tmp_path: Path, start: str
) -> None:
    root = tmp_path / "set"
    fill(root, *(f"{start}{kind}" for kind in ("cat", "dog", "fox")))
    photo(root / f"{start}overview.jpg")
    describe(root)
    splits, notices = opened(root)
    assert set(by_id(splits, "label").values()) == {"cat", "dog", "fox"}
    assert any("1 of 13 photos are in no folder of a class and are left out" in n for n in notices)
    listed = next((tmp_path / "cache").rglob(PROBLEMS)).read_text()
    assert f"{start}overview.jpg is in no folder of a class,left out" in listed


def test_a_stray_photo_in_the_folder_of_a_split_is_left_out(tmp_path: Path) -> None:
    root = tmp_path / "set"
    fill(root, "train/cat", "train/dog", "test/cat/old", "test/dog")
    photo(root / "train" / "x.jpg")
    photo(root / "cover.jpg")
    text = describe(root)
    assert "[split]\nfolders = true" in text
    splits, _ = opened(root)
    assert splits["train"].info.task("label").classes == ("cat", "dog")
    assert sum(map(len, splits.values())) == 16
    assert len(splits["test"]) == 8


def test_a_photo_in_no_class_folder_is_kept_if_a_table_labels_it(tmp_path: Path) -> None:
    root = tmp_path / "set"
    fill(root, "cat", "dog")
    photo(root / "x.jpg")
    names = [p.name for p in sorted(root.rglob("*.jpg"))]
    (root / "t.csv").write_text(
        "file,sex\n" + "\n".join(f"{n},{i % 2}" for i, n in enumerate(names))
    )
    layout = 'table = "t.csv"\n[tasks.kind]\nfolders = true\n[tasks.sex]\ncolumn = "sex"\n'
    (root / "dataset.toml").write_text(layout)
    splits, _ = opened(root)
    assert by_id(splits)["x.jpg"] == ""
    assert by_id(splits, "sex")["x.jpg"] in "01"


FOLDER = st.sampled_from(["cat", "dog", "2019", "a b", "鳥"])


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(st.lists(FOLDER, max_size=4), min_size=1, max_size=8), st.integers(1, 4))
def test_each_photo_has_the_class_of_its_own_folder_or_is_left_out(
    tmp_path_factory, folders: list[list[str]], level: int
) -> None:
    root = tmp_path_factory.mktemp("set")
    fixed = [["x"] * 5, ["y"] * 5]
    for i, steps in enumerate([*fixed, *fixed, *folders]):
        path = root.joinpath(*steps, f"{i}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (root / "dataset.toml").write_text(f"[tasks.kind]\nfolders = {level}\n")
    collection = builder.read(root)
    (task,) = collection.info.tasks
    found = {
        item.id: task.classes[int(item.labels["kind"])]
        for items in collection.splits.values()
        for item in items
    }
    for i, steps in enumerate(folders, 4):
        path = "/".join([*steps, f"{i}.jpg"])
        assert found.get(path) == (steps[level - 1] if level <= len(steps) else None)
    assert len(found) + len(collection.problems) == 4 + len(folders)
