"""Regions from COCO's JSON and PASCAL VOC's XML, malformed ones too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from jaxens.data.folder import builder
from jaxens.data.folder.regions import decode_rle, region_of
from jaxens.data.folder.voc import VocFile, parse
from jaxens.data.preparing import PROBLEMS, notices
from jaxens.data.reading import PhotoError
from jaxens.data.source import Source, load
from jaxens.errors import UserError

SIZE = (6, 4)  # width and height
MASK = np.zeros((4, 6), bool)
MASK[1:3, 2:5] = True  # columns 2 to 4 of rows 1 and 2
# Column by column: 8 + 1 zeros, then 2 ones of each column with 2 zeros in between.
COUNTS = [9, 2, 2, 2, 2, 2, 5]


def compress(counts: list[int]) -> str:
    """COCO's text, from the description in maskApi.c: 6 bits a letter, 5 of them data."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            bits, value = value & 0x1F, value >> 5
            done = value == (-1 if bits & 0x10 else 0)
            text += chr(48 + bits + (0 if done else 0x20))
            if done:
                break
    return text


@pytest.mark.parametrize("counts", [COUNTS, compress(COUNTS), "9220003"])
def test_run_lengths_are_read_plain_and_compressed(counts: Any) -> None:
    np.testing.assert_array_equal(decode_rle({"counts": counts, "size": [4, 6]}, SIZE), MASK)


def test_long_runs_are_read_back() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        mask = generator.random((90, 70)) < generator.random()
        mask[:, 20:50] = generator.random() < 0.5
        flat = np.concatenate([[False], mask.T.ravel()])
        edges = np.flatnonzero(np.diff(flat))
        counts = np.diff([0, *edges, mask.size]).tolist()
        read = decode_rle({"counts": compress(counts), "size": [90, 70]}, (70, 90))
        np.testing.assert_array_equal(read, mask)


@pytest.mark.parametrize(
    ("annotation", "marked"),
    [
        ({"segmentation": [[2, 1, 5, 1, 5, 3, 2, 3]]}, MASK),
        ({"segmentation": [[2, 1, 5, 1], [2, 1, 5, 1, 5, 3, 2, 3]]}, MASK),  # a short polygon
        ({"segmentation": [[2, 1, 5, 1]]}, np.zeros_like(MASK)),
        ({"segmentation": {"counts": COUNTS, "size": [4, 6]}}, MASK),
        ({"segmentation": [], "bbox": [2, 1, 3, 2]}, MASK),
        ({"bbox": [2.2, 1.4, 2.4, 1.2]}, MASK),
    ],
)
def test_a_region_is_a_polygon_a_run_or_a_box(annotation: Any, marked: np.ndarray) -> None:
    np.testing.assert_array_equal(region_of(annotation, SIZE), marked)


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ({"segmentation": {"counts": [1], "size": [4, 6]}}, "run lengths of 1 pixels, not of 24"),
        ({"segmentation": {"counts": [24], "size": [6, 4]}}, "for the size [6, 4]"),
        ({"segmentation": {"counts": [-1, 25], "size": [4, 6]}}, "not whole numbers"),
        ({"segmentation": {"counts": "\x01", "size": [4, 6]}}, "no COCO text"),
        ({"segmentation": {"counts": "oooooooooooooooo", "size": [4, 6]}}, "no COCO text"),
        ({"segmentation": {"counts": "o", "size": [4, 6]}}, "text that is cut"),
        ({"segmentation": [[1, 2, 3]]}, "not a list of x and y"),
        ({"segmentation": [[1, 2, 3, 4, 5, None]]}, "not a list of x and y"),
        ({"segmentation": 3}, "neither polygons nor run lengths"),
        ({}, "neither a segmentation nor a bbox"),
        ({"bbox": [1, 1, 0, 1]}, "without an area"),
    ],
)
def test_a_malformed_region_is_a_reason(annotation: Any, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        region_of(annotation, SIZE)
    assert reason in str(caught.value)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight photos; on each a body, and on some a head, a crowd of heads and a nose."""
    images, annotations = [], []
    for i in range(8):
        path = tmp_path / "set" / "img" / f"{'cat' if i % 2 else 'dog'}_{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (30 * i, 0, 0)).save(path)
        images.append({"id": i, "file_name": path.name, "width": 6, "height": 4})
        keypoints = {"keypoints": [3, 2, 2 if i else 0], "num_keypoints": 1}
        body = {"segmentation": {"counts": COUNTS, "size": [4, 6]}, **keypoints}
        annotations.append({"image_id": i, "category_id": 7, **body})
        if i % 2:
            head = {"segmentation": [[0, 0, 2, 0, 2, 2, 0, 2]], "iscrowd": int(i == 3)}
            annotations.append({"image_id": i, "category_id": 0, **head})
    raw = {
        "images": [*images, {"id": "x", "file_name": "gone.png"}],
        "annotations": annotations,
        "categories": [{"id": 7, "name": "body", "keypoints": ["nose"]}, {"id": 0, "name": "head"}],
    }
    (tmp_path / "set" / "a.json").write_text(json.dumps(raw))
    (tmp_path / "set" / "dataset.toml").write_text(
        'images = "img"\ncoco = "a.json"\n[tasks.kind]\npattern = \'(.+)_\\d\'\n'
        'parts = ["body", "head"]\nseparate = true\n[points]\nnose = "nose"\n'
        '[parts.body]\ncoco = "body"\n[parts.head]\ncoco = ["head"]\n'
    )
    return tmp_path / "set"


def change(root: Path, *keys: Any, value: Any) -> None:
    raw = json.loads((root / "a.json").read_text())
    at = raw
    for key in keys[:-1]:
        at = at[key]
    at[keys[-1]] = value
    (root / "a.json").write_text(json.dumps(raw))


def test_coco_gives_masks_key_points_and_crowds_that_are_ignored(root: Path) -> None:
    change(root, "annotations", 3, "segmentation", value={"counts": [7], "size": [4, 6]})
    records = builder.prepare(root, root.parent / "cache")
    found = {}
    for name in ("train", "val", "test"):
        split = load(Source(records, name, 16))
        assert split.info.masks == ("body", "body: ignored", "head", "head: ignored")
        for i, id in enumerate(split.ids):
            found[int(id[-5])] = {
                "nose": not np.isnan(split.points[i, 0]).any(),
                **{m: bool(split.mask((m,))[i].any()) for m in split.info.masks},  # type: ignore[index]
            }
    assert [found[i]["nose"] for i in range(8)] == [False] + [True] * 7
    assert [i for i in range(8) if not found[i]["body"]] == [2]  # whose run lengths are cut
    assert [i for i in range(8) if found[i]["head"]] == [1, 5, 7]
    assert [i for i in range(8) if found[i]["head: ignored"]] == [3]
    listed = next((root.parent / "cache").rglob(PROBLEMS)).read_text()
    assert "gone.png is named in a.json, and there is no such photo" in listed
    assert "a.json annotations[3] has run lengths of 7 pixels, not of 24" in listed
    assert any("1 of 8 photos have a mask that can't be used" in n for n in notices(records))


@pytest.mark.parametrize("files", [["a.json", "b.json"], ["b.json", "a.json"]])
def test_key_points_and_masks_may_be_in_two_coco_files(root: Path, files: list[str]) -> None:
    raw = json.loads((root / "a.json").read_text())
    for category in raw["categories"]:
        category.pop("keypoints", None)
    for annotation in raw["annotations"]:
        annotation.pop("keypoints", None)
    (root / "b.json").write_text(json.dumps(raw))
    toml = root / "dataset.toml"
    toml.write_text(toml.read_text().replace('"a.json"', json.dumps(files)))
    items = [item for split in builder.read(root).splits.values() for item in split]
    visible = {item.path.stem: not np.isnan(item.points).any() for item in items}
    assert sum(visible.values()) == 7
    assert not visible["dog_0"]


def test_categories_may_be_the_labels(root: Path) -> None:
    toml = root / "dataset.toml"
    toml.write_text(toml.read_text().replace("pattern = '(.+)_\\d'", "categories = true"))
    (task,) = builder.read(root).info.tasks
    assert (task.kind, task.classes) == ("multilabel", ("body", "head"))


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("images",), 3, "a.json, images: it should be a list"),
        (("images",), [], "a.json, images: none of 0 is a photo, such as img/cat_1.png"),
        (("categories", 0, "name"), "", "categories[0]: it should be an object with a name"),
        (("categories", 1, "name"), "haed", "there is no category 'head': did you mean haed?"),
    ],
)
def test_a_mistake_in_coco_is_one_line(root: Path, keys: Any, value: Any, message: str) -> None:
    change(root, *keys, value=value)
    with pytest.raises(UserError) as caught:
        builder.read(root)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_coco_that_is_no_json_is_named(root: Path) -> None:
    for text in ("{", "[" * 100_000, "[]"):
        (root / "a.json").write_text(text)
        with pytest.raises(UserError, match=r"a\.json is no (JSON|COCO file)"):
            builder.read(root)


def test_a_photo_of_another_size_than_coco_says_has_no_mask(root: Path) -> None:
    change(root, "images", 4, "width", value=60)
    builder.prepare(root, root.parent / "cache")
    listed = next((root.parent / "cache").rglob(PROBLEMS)).read_text()
    assert "a.json says 60 x 4 pixels, its photo has 6 x 4" in listed


OBJECT = (
    "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>"
    "<ymax>{}</ymax></bndbox></object>"
)


def voc(tmp_path: Path, text: str) -> VocFile:
    (tmp_path / "a.xml").write_text(text)
    return VocFile(tmp_path / "a.xml", tmp_path, {"head": ("head",), "any": ()})


def test_boxes_of_voc_count_pixels_from_1_and_include_the_last(tmp_path: Path) -> None:
    size = "<size><width>6</width><height>4</height><depth>3</depth></size>"
    objects = OBJECT.format("head", 3, 2, 5, 3) + OBJECT.format("tail", 1, 1, 1, 1)
    masks = voc(tmp_path, f"<annotation>{size}{objects}</annotation>")(SIZE)
    np.testing.assert_array_equal(masks["head"], MASK)
    assert masks["any"].sum() == MASK.sum() + 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotation>", "is no XML: line 1: no element found"),
        ("", "is no XML: line 1: no element found"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "declares a document type"),
        ('<?xml version="1.0" encoding="klingon"?><a/>', "is no XML"),
        ("<a>" * 60, "more than 50 deep"),
        (f"<annotation>{OBJECT.format('head', 'x', 1, 2, 2)}</annotation>",
         "has no number in object 1, xmin, but 'x'"),
        (f"<annotation>{OBJECT.format('head', 3, 1, 2, 2)}</annotation>", "without an area"),
        (f"<annotation>{OBJECT.format('head', 30, 1, 32, 2)}</annotation>", "outside of its 6 x 4"),
        ("<annotation><size><width>9</width><height>4</height></size></annotation>",
         "is for 9 x 4 pixels, its photo has 6 x 4"),
    ],
)  # fmt: skip
def test_malformed_xml_is_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(PhotoError) as caught:
        voc(tmp_path, text)(SIZE)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_xml_names_may_have_any_letter() -> None:
    assert parse("<a><name>Bär</name></a>".encode()).findtext("name") == "Bär"
