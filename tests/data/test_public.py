"""Public data sets are read in their own layouts, with what is odd in them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import jaxens.data
from jaxens.data import isic, partimagenet, pets
from jaxens.data.preparing import PROBLEMS, notices
from jaxens.data.schema import MISSING, ignored
from jaxens.data.source import DataSet, load
from jaxens.data.split import Split
from jaxens.errors import UserError
from tests.data.public import (
    ATTRIBUTES,
    BREEDS,
    corner,
    mask,
    photo,
    write_isic,
    write_partimagenet,
    write_pets,
)


def opened(source: str, folder: Path, cache: Path) -> DataSet:
    return jaxens.data.open(source, data_dir=str(folder), cache_dir=str(cache), image_size=16)


def mask_of(split: Split, part: str) -> np.ndarray:
    found = split.mask((part,))
    assert found is not None
    return found


# ISIC


@pytest.fixture
def isic_folder(tmp_path: Path) -> Path:
    return write_isic(tmp_path / "isic", {"Training": 8, "Validation": 2, "Test": 3})


def test_an_attribute_of_isic_is_present_where_its_mask_is_not_empty(
    isic_folder: Path, tmp_path: Path
) -> None:
    data = opened("isic2018", isic_folder, tmp_path / "cache")
    assert [len(split) for split in (data.train, data.val, data.test)] == [8, 2, 3]
    (task,) = data.info.tasks
    assert (task.kind, task.classes) == ("multilabel", ATTRIBUTES)
    assert task.parts == tuple((name,) for name in ATTRIBUTES)
    train = load(data.train)
    assert train.ids[0] == "ISIC_0000000"  # and no superpixels, texts or hidden files
    expected = [[int((i + k) % 3 == 0) for k in range(5)] for i in range(8)]
    np.testing.assert_array_equal(train.labels["attributes"], expected)
    for k, name in enumerate(ATTRIBUTES):
        np.testing.assert_array_equal(
            mask_of(train, name).any(axis=(1, 2)), train.labels["attributes"][:, k] == 1
        )
    assert mask_of(train, "lesion").any(axis=(1, 2)).all()


def test_masks_of_isic_that_can_not_be_used_give_no_label(
    isic_folder: Path, tmp_path: Path
) -> None:
    truth = isic_folder / "ISIC2018_Task2_Training_GroundTruth_v3"
    (truth / "ISIC_0000000_attribute_streaks.png").unlink()
    mask(truth / "ISIC_0000001_attribute_globules.png", corner(4, 4, 2))
    mask(truth / "ISIC_0000002_attribute_streaks.png", np.arange(22 * 16).reshape(16, 22) % 9)
    data = opened("isic2018", isic_folder, tmp_path / "cache")
    labels = load(data.train).labels["attributes"]
    assert labels[0].tolist() == [1, 0, 0, 1, MISSING]
    assert labels[1].tolist() == [MISSING, 0, 1, 0, 0]
    assert labels[2].tolist() == [0, 1, 0, 0, MISSING]
    listed = next((tmp_path / "cache").rglob(PROBLEMS))
    reasons = [row["reason"] for row in csv.DictReader(listed.read_text().splitlines())]
    assert len(reasons) == 3
    assert reasons[0].endswith("ISIC_0000000_attribute_streaks.png can't be read: No such file or "
                               "directory")  # fmt: skip
    assert "has 4 x 4 pixels, its photo 21 x 17" in reasons[1]
    assert "has the values 0, 1, 2, 3, 4, ..." in reasons[2]


def test_isic_without_val_test_and_lesions_is_split_by_seed(tmp_path: Path) -> None:
    folder = write_isic(tmp_path / "isic", {"Training": 20}, lesions=False)
    (folder / "ISIC2018_Task2_Training_GroundTruth_v3").rename(
        folder / "ISIC2018_Task2_Training_GroundTruth"
    )
    whole = isic.read(folder)
    assert {name: len(items) for name, items in whole.splits.items()} == {
        "train": 14,
        "val": 2,
        "test": 4,
    }
    ids = [item.id for items in whole.splits.values() for item in items]
    assert len(set(ids)) == 20
    assert whole.info.masks == ATTRIBUTES
    assert len(whole.notices) == 2
    again = isic.read(folder).splits
    assert [item.id for items in again.values() for item in items] == ids


# PartImageNet


def test_partimagenet_has_the_birds_and_their_parts(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 6, "val": 2, "test": 4})
    data = opened("partimagenet", folder, tmp_path / "cache")
    assert [len(split) for split in (data.train, data.val, data.test)] == [6, 2, 4]
    assert data.info.masks == ("head", "body", "wing")
    (task,) = data.info.tasks
    assert task.classes == ("n01530829", "n01531829")
    test = load(data.test)
    assert test.labels["wnid"].tolist() == [0, 1, 0, 1]
    wing = np.zeros((16, 16), bool)
    wing[4:12, 3:13] = True  # two columns are cut off at each side
    np.testing.assert_array_equal(mask_of(test, "wing")[0], wing)
    head = np.zeros((16, 16), bool)
    head[:4, :2] = True
    np.testing.assert_array_equal(mask_of(test, "head")[0], head)
    assert not mask_of(test, "body").any()
    # Of 20 x 16 pixels, the middle 16 x 16 are left: columns 5 to 15 are 3 to 13.
    np.testing.assert_allclose(test.point(("wing",))[0], [8 / 16, 8 / 16], atol=1e-6)
    assert np.isnan(test.point(("body",))).all()
    np.testing.assert_allclose(test.boxes[0], [0, 0, 13 / 16, 12 / 16], atol=1e-6)
    assert not list((tmp_path / "cache").rglob(PROBLEMS))


def test_a_split_of_partimagenet_without_birds_is_drawn_from_train(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 10, "val": 0})
    whole = partimagenet.read(folder)
    sizes = {name: len(items) for name, items in whole.splits.items()}
    assert sizes == {"train": 7, "val": 1, "test": 2}
    assert "no photo is for val, so 1 of the 10 photos" in whole.notices[0]


def test_another_kind_of_thing_can_be_read_from_partimagenet(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 2, "val": 2, "test": 2})
    whole = partimagenet.read(folder, "Car")
    assert whole.info.masks == ("body",)
    assert {len(items) for items in whole.splits.values()} == {1}


def test_a_missing_photo_of_a_bird_is_listed(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 6, "val": 2, "test": 4})
    next((folder / "train").rglob("*.JPEG")).unlink()
    builder = partimagenet.prepare(folder, tmp_path / "cache")
    assert builder.info.splits["train"].num_examples == 5
    assert any("can't be read: No such file" in notice for notice in notices(builder))


# Oxford-IIIT Pet


def test_pets_have_breeds_trimaps_and_some_head_boxes(tmp_path: Path) -> None:
    data = opened("pets", write_pets(tmp_path / "pets"), tmp_path / "cache")
    breed, species = data.info.tasks
    assert breed.classes == tuple(name.replace("_", " ") for name in BREEDS)
    assert breed.separate
    assert species.classes == ("cat", "dog")
    assert data.info.masks == ("animal", ignored("animal"), "head")
    assert [len(split) for split in (data.train, data.val, data.test)] == [8, 1, 3]
    test = load(data.test)
    assert test.ids == [f"{name}_4" for name in BREEDS]
    assert test.labels["breed"].tolist() == [0, 1, 2]
    assert test.labels["species"].tolist() == [0, 1, 0]
    columns = mask_of(test, "animal")[0].all(axis=0)
    assert columns.tolist() == [True] * 6 + [False] * 10  # two columns are cut off at each side
    border = test.ignored(("animal",))
    assert border is not None
    assert border[0].all(axis=0).tolist() == [False] * 6 + [True] * 4 + [False] * 6
    head = np.zeros((16, 16), bool)
    head[1:7, :4] = True
    np.testing.assert_array_equal(mask_of(test, "head")[0], head)
    heads = mask_of(load(data.train), "head").any(axis=(1, 2))
    assert 0 < heads.sum() < len(heads)
    np.testing.assert_allclose(test.boxes[0], [0, 0, 6 / 16, 1], atol=1e-6)
    assert not list((tmp_path / "cache").rglob(PROBLEMS))


def test_pets_without_tables_of_splits_are_split_by_seed(tmp_path: Path) -> None:
    whole = pets.read(write_pets(tmp_path / "pets", per_breed=10, splits=False))
    assert {name: len(items) for name, items in whole.splits.items()} == {
        "train": 21,
        "val": 3,
        "test": 6,
    }
    held_out = [int(item.labels["breed"]) for item in whole.splits["test"]]
    assert sorted(held_out) == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("table", "old", "new", "message"),
    [
        ("list", "Abyssinian_2 1 1 1", "Abyssinian_1 1 1 1", "row 4: 'Abyssinian_1' occurs twice"),
        ("list", "Abyssinian_2 1 1 1", "Abyssinian_2 1", "row 4: there should be 4 fields, not 2"),
        ("list", "Abyssinian_2 1 1 1", "Abyssinian_2 1 3 1", r"species should be 1 \(cat\) or 2"),
        ("list", "Abyssinian_2 1 1 1", "Abyssinian_2 x 1 1", "the class should be a number from"),
        ("list", "Abyssinian_2 1", "Abyssinian_2 2", "class 2 is 'Abyssinian' and 'american bull"),
        ("test", "Abyssinian_4", "Abyssinian_5", "row 1: there is no photo 'Abyssinian_5'"),
        ("test", "Abyssinian_4", "Abyssinian_3", "'Abyssinian_3' occurs twice, or in both tables"),
    ],
)
def test_a_mistake_in_a_table_of_pets_is_named(
    tmp_path: Path, table: str, old: str, new: str, message: str
) -> None:
    folder = write_pets(tmp_path / "pets")
    path = folder / f"annotations/{table}.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=message) as caught:
        pets.read(folder)
    assert "\n" not in str(caught.value)


# All


READERS = {"isic2018": isic.read, "partimagenet": partimagenet.read, "pets": pets.read}


@pytest.mark.parametrize("source", READERS)
def test_a_folder_of_something_else_is_named(tmp_path: Path, source: str) -> None:
    photo(tmp_path / "a.jpg")
    with pytest.raises(UserError, match=f"{tmp_path} holds no .*: give the folder") as caught:
        READERS[source](tmp_path)
    assert "\n" not in str(caught.value)


WRITERS: dict[str, Callable[[Path], Path]] = {
    "isic2018": lambda folder: write_isic(folder, {"Training": 12}),
    "partimagenet": lambda folder: write_partimagenet(folder, {"train": 10}),
    "pets": write_pets,
}


@pytest.mark.parametrize("source", WRITERS)
def test_a_changed_file_is_prepared_anew_and_nothing_else_is(tmp_path: Path, source: str) -> None:
    folder, cache = WRITERS[source](tmp_path / "data"), tmp_path / "cache"
    first = opened(source, folder, cache)
    (folder / "notes.txt").write_text("mine")
    assert opened(source, folder, cache).train.folder == first.train.folder
    item = READERS[source](folder).splits["train"][0]
    photo(item.path, gray=200)
    again = opened(source, folder, cache)
    assert again.train.folder != first.train.folder
    assert again.fingerprint != first.fingerprint


def test_a_photo_of_partimagenet_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder = write_partimagenet(tmp_path / "parts", {"train": 10})
    path = folder / "train.json"
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "../../../outside.JPEG"
    path.write_text(json.dumps(content))
    photo(tmp_path.parent / "outside.JPEG")
    with pytest.raises(UserError, match="outside"):
        partimagenet.prepare(folder, tmp_path / "cache")
