import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxens.data.cub import builder as cub
from jaxens.data.preparing import notices
from jaxens.data.source import Source, load
from jaxens.errors import UserError
from tests.data import tiny_cub

IMAGES = 24


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tiny_cub.write(tmp_path / "birds")


def test_class_names_are_readable_and_the_family_is_the_last_word_of_a_species(root: Path) -> None:
    tables = cub.read(root)
    species, family = tables.info.task("species"), tables.info.task("family")
    assert species.classes[:3] == ("Big Albatross", "Black footed Albatross", "Crested Auklet")
    assert family.classes == ("Albatross", "Auklet", "Wren")
    np.testing.assert_array_equal(tables.labels["species"], np.repeat(np.arange(6), 4))
    np.testing.assert_array_equal(tables.labels["family"], np.repeat([0, 0, 1, 1, 2, 2], 4))


def test_the_parent_folder_works_too(root: Path) -> None:
    assert cub.read(root.parent).names == cub.read(root).names


def test_rows_may_have_any_order_and_ids_any_start(root: Path) -> None:
    before = cub.read(root)
    for name in ("image_class_labels.txt", "bounding_boxes.txt", "train_test_split.txt"):
        rows = (root / name).read_text().splitlines()
        (root / name).write_text("\n".join(reversed(rows)) + "\n")
    for name in ("images.txt", "image_class_labels.txt", "bounding_boxes.txt",
                 "train_test_split.txt", "parts/part_locs.txt"):  # fmt: skip
        moved = re.sub(
            r"^(\d+) ", lambda m: f"{int(m[1]) + 500} ", (root / name).read_text(), flags=re.M
        )
        (root / name).write_text(moved)
    after = cub.read(root)
    assert after.names == before.names
    np.testing.assert_array_equal(after.boxes, before.boxes)
    np.testing.assert_array_equal(after.train, before.train)
    np.testing.assert_array_equal(after.points, before.points)


def test_a_hidden_part_is_nan_and_the_wing_is_the_mean_of_the_visible_ones(root: Path) -> None:
    tables = cub.read(root)
    names = tables.info.points
    assert names == (*tiny_cub.PARTS, "wing")
    wing = tables.points[:4, names.index("wing")]
    np.testing.assert_allclose(wing[:3], [[12, 7], [14, 8], [10, 6]])
    assert np.isnan(wing[3]).all()
    assert np.isnan(tables.points[:, names.index("tail")]).all()
    np.testing.assert_array_equal(tables.points[0, names.index("beak")], [10, 15])


def test_without_labels_of_single_photos_a_photo_has_those_of_its_species(root: Path) -> None:
    tables = cub.read(root)
    shape = tables.info.task("bill_shape")
    assert shape.classes == ("dagger", "hooked seabird", "cone")
    assert set(shape.parts) == {("beak",)}
    np.testing.assert_array_equal(tables.labels["bill_shape"], np.repeat([0, 1, 2, 0, 1, 2], 4))
    assert "no image_attribute_labels.txt" in tables.notices[0]


def test_the_label_is_the_most_certain_attribute_that_is_present(root: Path) -> None:
    tiny_cub.attribute_rows(
        root,
        [
            "1 1 1 2 3.5",  # guessing a dagger,
            "1 3 1 4 3.5",  # definitely a cone
            "1 2 0 4 3.5",  # and definitely not hooked
            "2 1 1 3 0 9.1",  # the stray sixth field
            "3 1 1 1 2.0",  # not visible
            "5 3 1 3 1.0",  # two that tie: the first
            "5 1 1 3 1.0",
            "99 2 1 4 1.0",  # no image of ours
        ],
    )
    tables = cub.read(root)
    # No photo is labeled hooked, so that is not a class; the sizes have no labels at all.
    assert tables.info.task("bill_shape").classes == ("dagger", "cone")
    assert "size" not in tables.labels
    np.testing.assert_array_equal(tables.labels["bill_shape"][:6], [1, 0, -1, -1, 0, -1])
    assert tables.notices == []


def test_colors_have_several_values_and_are_not_a_task(root: Path) -> None:
    rows = [f"{i} {a} 1 4 1.0" for i in range(1, 25) for a in (4 + i % 2, 6 + i % 2)]
    tiny_cub.attribute_rows(root, rows)
    tables = cub.read(root)
    assert [task.name for task in tables.info.tasks] == ["species", "family", "size"]
    assert tables.info.task("size").classes == ("small (5 - 9 in)", "large (16 - 32 in)")
    assert set(tables.info.task("size").parts) == {()}


@pytest.mark.parametrize("place", ["..", "../attributes"])
def test_attributes_may_be_next_to_the_folder(root: Path, place: str) -> None:
    expected = cub.read(root)
    (root / place).mkdir(exist_ok=True)
    (root / "attributes/attributes.txt").rename(root / place / "attributes.txt")
    found = cub.read(root)
    assert found.info == expected.info


def test_without_attributes_species_and_family_remain(root: Path) -> None:
    shutil.rmtree(root / "attributes")
    tables = cub.read(root)
    assert [task.name for task in tables.info.tasks] == ["species", "family"]
    assert "no attribute tasks" in tables.notices[0]


@pytest.mark.parametrize(
    ("table", "row", "text", "message"),
    [
        ("images.txt", 3, "three a.jpg", "row 3: the id should be a whole number, not 'three'"),
        ("images.txt", 3, "3", "row 3: the image name is missing"),
        ("images.txt", 3, "2 a.jpg", "row 3: the id 2 occurs twice"),
        ("image_class_labels.txt", 5, "5 77", "row 5: there is no class 77 in classes.txt"),
        ("image_class_labels.txt", 5, "500 1", "there is no row for photo 5"),
        ("train_test_split.txt", 2, "2 yes", "row 2: train should be a number, not 'yes'"),
        ("train_test_split.txt", 2, "2 2", "row 2: train should be 0 or 1, not 2"),
        ("bounding_boxes.txt", 7, "7 1.0 2.0 3.0", "row 7: the field 'height' is missing"),
        ("bounding_boxes.txt", 7, "7 1 nan 3 4", "row 7: y should be a number, not 'nan'"),
        ("bounding_boxes.txt", 7, "7 1 1 0 4", "row 7: width and height should be above 0"),
        ("parts/part_locs.txt", 9, "1 99 0 0 0", "row 9: there is no part 99 in parts/parts.txt"),
        ("parts/part_locs.txt", 9, "1 9 x 0 0", "row 9: x should be a number, not 'x'"),
        (
            "attributes/class_attribute_labels_continuous.txt",
            2,
            "1 2 3",
            "row 2: the field 'has_wing_color::blue' is missing",
        ),
    ],
)
def test_a_malformed_row_is_named(
    root: Path, table: str, row: int, text: str, message: str
) -> None:
    tiny_cub.replace_row(root / table, row, text)
    with pytest.raises(UserError, match=f"{re.escape(table)}.*{re.escape(message)}"):
        cub.read(root)


def test_a_malformed_attribute_row_is_named(root: Path) -> None:
    tiny_cub.attribute_rows(root, ["1 1 1 4 1.0", "2 99 1 4 1.0"])
    with pytest.raises(UserError, match=r"row 2: there is no attribute 99 in attributes\.txt"):
        cub.read(root)
    tiny_cub.attribute_rows(root, ["1 1 1 4 1.0", "2 1 1"])
    with pytest.raises(UserError, match="row 2: the field 'certainty' is missing"):
        cub.read(root)


@pytest.mark.parametrize("table", ["classes.txt", "bounding_boxes.txt", "parts/part_locs.txt"])
def test_a_missing_or_empty_table_is_named(root: Path, table: str) -> None:
    (root / table).write_text("")
    with pytest.raises(UserError, match=f"{re.escape(table)}, row 1: the table is empty"):
        cub.read(root)
    (root / table).unlink()
    with pytest.raises(UserError, match=f"{re.escape(table)} is missing: unpack"):
        cub.read(root)


def test_a_wrong_folder_is_named(tmp_path: Path, root: Path) -> None:
    with pytest.raises(UserError, match="nothere holds no CUB-200-2011"):
        cub.prepare(tmp_path / "nothere", tmp_path / "cache")
    shutil.rmtree(root / "images")
    with pytest.raises(UserError, match="images is missing"):
        cub.prepare(root, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_records_hold_unchanged_photos_and_fractions(root: Path, tmp_path: Path) -> None:
    builder = cub.prepare(root, tmp_path / "cache")
    source = Source(builder, "train", 16)
    example = source.example(0)
    photo = root / "images" / example.id
    assert example.id == "001.Big_Albatross/Bird_0001.jpg"
    assert example.image == photo.read_bytes()
    with Image.open(photo) as opened:
        width, height = opened.size
    pixels = np.asarray([width, height], np.float32)
    box = example.box.reshape(2, 2) * pixels
    np.testing.assert_allclose(box, [[3, 2], [width - 3, 14]], rtol=1e-6)
    beak = example.points[source.info.points.index("beak")] * pixels
    np.testing.assert_allclose(beak, [width // 2 - 5, height // 2 + 4], rtol=1e-6)
    assert example.labels["species"] == 0
    assert example.mask is None


def test_the_test_split_is_the_official_one_and_a_tenth_of_the_rest_is_val(tmp_path: Path) -> None:
    builder = cub.prepare(tiny_cub.write(tmp_path, per_species=21), tmp_path / "cache")
    splits = {name: load(Source(builder, name, 8)) for name in ("train", "val", "test")}
    for name, per_species in (("train", 18), ("val", 2), ("test", 1)):
        np.testing.assert_array_equal(
            np.bincount(splits[name].labels["species"]), 6 * [per_species]
        )
    assert all(name.endswith("0020.jpg") for name in splits["test"].ids)
    assert len({i for split in splits.values() for i in split.ids}) == 6 * 21


def test_damaged_and_missing_photos_are_left_out_counted_and_named(
    root: Path, tmp_path: Path
) -> None:
    cut, gone = (
        root / "images" / "002.Black_footed_Albatross" / f"Bird_000{i}.jpg" for i in (1, 3)
    )
    cut.write_bytes(cut.read_bytes()[:-150])
    gone.unlink()
    messages = notices(cub.prepare(root, tmp_path / "cache"))
    assert any("2 of 24 photos can't be used and are left out" in notice for notice in messages)

    later = cub.prepare(root, tmp_path / "cache")
    assert any("Bird_0003.jpg" in notice for notice in notices(later))
    assert [Path(name).name for name in later.info.metadata["excluded"]] == [cut.name, gone.name]
    sizes = {name: split.num_examples for name, split in later.info.splits.items()}
    assert sizes == {"train": 11, "val": 6, "test": 5}


def test_too_many_damaged_photos_are_an_error(root: Path, tmp_path: Path) -> None:
    for photo in sorted((root / "images").rglob("*.jpg"))[::5]:
        photo.write_bytes(b"no image")
    with pytest.raises(
        UserError, match=r"more than 5% of the 24 photos can't be used .*Bird_.*unpack"
    ):
        cub.prepare(root, tmp_path / "cache")


def test_a_split_without_photos_is_an_error(root: Path, tmp_path: Path) -> None:
    path = root / "train_test_split.txt"
    path.write_text(path.read_text().replace(" 0\n", " 1\n"))
    with pytest.raises(UserError, match=r"train_test_split\.txt: no photo for the split 'test'"):
        cub.prepare(root, tmp_path / "cache")


def test_a_gray_photo_becomes_rgb(root: Path, tmp_path: Path) -> None:
    photo = root / "images" / "001.Big_Albatross" / "Bird_0001.jpg"
    with Image.open(photo) as opened:
        gray = opened.convert("L")
    gray.save(photo)
    source = Source(cub.prepare(root, tmp_path / "cache"), "train", 16)
    assert source[0].id.endswith("Bird_0001.jpg")
    assert source[0].image.shape == (16, 16, 3)
    assert np.ptp(source[0].image, axis=-1).max() == 0


@pytest.mark.parametrize("next_to_it", [False, True])
def test_segmentations_become_the_mask_of_the_object(
    root: Path, tmp_path: Path, next_to_it: bool
) -> None:
    folder = tiny_cub.segment(root, next_to_it)
    (folder / "001.Big_Albatross" / "Bird_0001.png").unlink()
    builder = cub.prepare(root, tmp_path / "cache")
    source = Source(builder, "train", 22)
    assert source.info.masks == ("object",)
    assert set(source.info.task("species").parts) == {("object",)}
    assert "1 of 24 photos have no mask, or one that shows nothing" in notices(builder)[-2]
    lost, found = source[0].mask, source[1].mask
    assert lost is not None
    assert lost.sum() == 0
    assert found is not None  # of 32 x 22 pixels, the left 16 of them bird: 11 after the crop
    np.testing.assert_array_equal(found[..., 0], np.tile(np.arange(22) < 11, (22, 1)))


def test_records_are_written_once_per_content_of_the_folder(root: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = cub.prepare(root, cache)
    written = {path: path.stat().st_mtime_ns for path in cache.rglob("*record*")}
    moved = tmp_path / "elsewhere" / root.name
    shutil.copytree(root, moved)
    assert cub.prepare(moved, cache).data_dir == first.data_dir
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("*record*")} == written

    tiny_cub.replace_row(moved / "bounding_boxes.txt", 1, "1 4.0 2.0 9.0 9.0")
    assert cub.prepare(moved, cache).data_dir != first.data_dir
    tiny_cub.segment(root)
    assert cub.prepare(root, cache).data_dir != first.data_dir


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("001.Big_Wren", "002.Tit"), ("Big Wren", "Tit")),
        (("Big_Wren", "St._Bernard"), ("Big Wren", "St. Bernard")),
        (("a_b", "a b"), ("a_b", "a b")),  # would be the same
        (("1.5_mm", "7._"), ("1.5_mm", "7._")),  # nothing would be left of one
    ],
)
def test_the_name_of_a_class_is_readable_with_and_without_a_number(tmp_path, names, expected):
    root = tiny_cub.write(tmp_path, per_species=2)
    rows = [f"{k} {name}" for k, name in enumerate(names, 1)]
    (root / "classes.txt").write_text("\n".join(rows))
    labels = [f"{i} {1 + i % 2}" for i in range(1, 13)]
    (root / "image_class_labels.txt").write_text("\n".join(labels))
    (root / "attributes" / "class_attribute_labels_continuous.txt").unlink()
    assert cub.read(root).info.task("species").classes == expected


def test_no_wing_is_added_to_parts_of_other_things(tmp_path):
    root = tiny_cub.write(tmp_path, per_species=2)
    table = root / "parts" / "parts.txt"
    table.write_text(table.read_text().replace(" wing", " wheel"))
    points = cub.read(root).info.points
    assert "left wheel" in points
    assert "wing" not in points
