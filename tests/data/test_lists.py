"""Texts that list the photos of a split, such as train.txt."""

import tomllib
from pathlib import Path

import pytest

import jaxens.data
from jaxens.data.folder import builder
from jaxens.data.folder.unused import name_unused
from jaxens.errors import UserError
from tests.data.folders import photo

COUNT = 20
TASK = '[tasks.kind]\npattern = "([ab]).*"\n'


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Photos "a 0.jpg", "b 1.jpg" and so on, in a folder."""
    for i in range(COUNT):
        photo(tmp_path / "set" / "images" / name(i), 10 * i)
    return tmp_path / "set"


def name(i: int) -> str:
    return f"{'ab'[i % 2]} {i}.jpg"


def write(root: Path, **lists: str) -> None:
    """Writes lists, and a description that names them."""
    for key, text in lists.items():
        (root / f"{key}.txt").write_text(text)
    files = ", ".join(f'"{key}.txt"' for key in lists)
    (root / "dataset.toml").write_text(f'images = "images"\n[split]\nlists = [{files}]\n{TASK}')


def lines(*numbers: int, end: str = "") -> str:
    return "".join(f"{name(i)}{end}\n" for i in numbers)


def ids(root: Path) -> dict[str, list[int]]:
    splits = builder.read(root).splits
    return {key: sorted(int(Path(i.id).stem[2:]) for i in items) for key, items in splits.items()}


def test_each_photo_is_in_the_split_of_its_list(root: Path) -> None:
    write(root, train=lines(*range(10)), val=lines(*range(10, 14)), test=lines(*range(14, 20)))
    assert ids(root) == {
        "train": [*range(10)],
        "val": [*range(10, 14)],
        "test": [*range(14, 20)],
    }


@pytest.mark.parametrize(
    "line",
    ["{path}", "./images/{path}", "{stem}", "/their/disk/images/{path}", "{path} 3 1", "{stem} -1"],
)
def test_a_line_is_a_path_or_a_name_and_may_go_on(root: Path, line: str) -> None:
    for i in range(COUNT):  # names without spaces, so that a number may follow
        (root / "images" / name(i)).rename(root / "images" / name(i).replace(" ", "_"))
    path = {i: name(i).replace(" ", "_") for i in range(COUNT)}
    text = [line.format(path=path[i], stem=path[i].partition(".")[0]) for i in range(COUNT)]
    write(
        root, trainval="\r\n".join(["# ours", "", *text[:15]]), test="\ufeff" + "\n".join(text[15:])
    )
    found = ids(root)
    assert found["test"] == [*range(15, 20)]
    assert sorted(found["train"] + found["val"]) == [*range(15)]  # a val is taken from train


def test_photos_in_two_splits_or_in_none_are_left_out(root: Path) -> None:
    write(root, train=lines(*range(10)), test=lines(9, *range(12, 20)) + "z.jpg\n")
    collection = builder.read(root)
    used = {item.id for items in collection.splits.values() for item in items}
    assert used == {f"images/{name(i)}" for i in [*range(9), *range(12, 20)]}
    reasons = {problem.name: (problem.kind, problem.reason) for problem in collection.problems}
    both = "is in train.txt and in test.txt: keep it in one split"
    assert reasons == {
        f"images/{name(9)}": ("unusable", both),
        f"images/{name(10)}": ("unnamed", "is in no list"),
        f"images/{name(11)}": ("unnamed", "is in no list"),
        "z.jpg": ("absent", "is named in test.txt, line 10, and there is no such photo"),
    }


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ('"train.txt"', r"train\.txt: no line names a photo, such as images/a 0\.jpg"),
        ('"gone/train.txt"', r"gone/train\.txt can't be read"),
        ('"mine.txt"', r"\[split\], lists: 'mine\.txt' names no split: rename it"),
        ('"../train.txt"', r"\[split\], lists: '\.\./train\.txt' leads out of the folder"),
        ('"train.txt"\nfolders = true', "folders and lists exclude each other"),
    ],
)
def test_a_list_that_can_not_be_used_is_an_error(root: Path, lists: str, message: str) -> None:
    (root / "train.txt").write_text("some\nwords\n")
    (root / "dataset.toml").write_text(f'images = "images"\n[split]\nlists = {lists}\n{TASK}')
    with pytest.raises(UserError, match=message):
        builder.read(root)


def test_lists_are_proposed_without_trainval_if_there_is_a_val(root: Path) -> None:
    folder = root / "ImageSets" / "Main"
    folder.mkdir(parents=True)
    texts = {"train": lines(*range(8)), "val": lines(8, 9), "trainval": lines(*range(10))}
    for key, text in {
        **texts,
        "test": lines(*range(10, 20)),
        "a_train": lines(0, end=" 1"),
    }.items():
        (folder / f"{key}.txt").write_text(text)
    (root / "train.txt").write_text("How to train on these photos.")
    proposed = jaxens.data.propose(root)
    names = [f"ImageSets/Main/{key}.txt" for key in ("test", "train", "val")]
    assert tomllib.loads(proposed)["split"] == {"lists": names}
    (root / "dataset.toml").write_text(proposed)
    assert ids(root) == {"train": [*range(8)], "val": [8, 9], "test": [*range(10, 20)]}
    unused = name_unused(root)
    assert "2 files such as ImageSets/Main/a_train.txt: a list of photos" in unused
    assert "How to train" not in unused


def test_trainval_and_test_are_proposed(root: Path) -> None:
    write(root, trainval=lines(*range(15)), test=lines(*range(15, 20)))
    (root / "dataset.toml").unlink()
    assert tomllib.loads(jaxens.data.propose(root))["split"] == {
        "lists": ["test.txt", "trainval.txt"]
    }


def test_another_list_is_another_data_set(root: Path) -> None:
    write(root, train=lines(*range(10)), test=lines(*range(10, 20)))
    first = builder.prepare(root, root.parent / "cache")
    (root / "test.txt").write_text(lines(*range(10, 19)))
    assert builder.prepare(root, root.parent / "cache") != first
