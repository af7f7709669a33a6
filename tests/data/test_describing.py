"""A dataset.toml is proposed by inspection, and a data set describes itself."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import jaxens.data
from jaxens.data.__main__ import main
from jaxens.errors import UserError
from tests.data.proposals import NAMES, VOC, image, photos, proposed, values


def test_the_layout_of_the_oxford_pets_needs_less_than_15_lines(tmp_path: Path) -> None:
    photos(tmp_path)
    for name in NAMES:
        image(tmp_path / "annotations" / "trimaps" / f"{name}.png", values(1, 2, 3))
        (tmp_path / "annotations" / "xmls").mkdir(exist_ok=True)
        (tmp_path / "annotations" / "xmls" / f"{name}.xml").write_text(VOC)
    (tmp_path / "annotations" / "trimaps" / "._stray.png").write_bytes(b"stray")
    assert proposed(tmp_path).splitlines() == [
        'images = "images"',
        "",
        "[tasks.label]",
        r"pattern = '(.+)_\d+'",
        'parts = ["trimaps", "box"]',
        "separate = true",
        "",
        "[parts.trimaps]",
        'masks = "annotations/trimaps/{stem}.png"',
        "values = [1]",
        "ignore = [3]",
        "",
        "[parts.box]",
        'voc = "annotations/xmls/{stem}.xml"',
    ]


def test_a_table_is_proposed_with_its_columns(tmp_path: Path) -> None:
    photos(tmp_path, "")
    header = "nr;name;kind;ring;bar;beak_x;beak_y;head_x;head_y;head_w;head_h;fold"
    rows = [
        f"{i};{name};{name[:3]};{i % 2};{i % 3 % 2};0,5;0,25;0,1;0,1;0,5;0,5;"
        f"{('train', 'train', 'test')[i % 3]}"
        for i, name in enumerate(NAMES)
    ]
    (tmp_path / "labels.csv").write_text("\n".join([header, *rows]))
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert proposed(tmp_path).splitlines() == [
        'table = "labels.csv"',
        'file = "name"',
        'units = "fractions"',
        "",
        "[split]",
        'column = "fold"',
        "",
        "[tasks.kind]",
        'column = "kind"',
        'parts = ["head"]',
        "",
        "[tasks.attributes]",
        'columns = ["ring", "bar"]',
        'parts = ["head"]',
        "",
        "[points]",
        'beak = ["beak_x", "beak_y"]',
        "",
        "[parts.head]",
        'box = {left = "head_x", top = "head_y", width = "head_w", height = "head_h"}',
    ]


@pytest.mark.parametrize(
    ("place", "pixels", "lines"),
    [
        ("masks/head/{}.png", values(0, 255), ["[parts.head]", 'masks = "masks/head/{stem}.png"']),
        ("images/{}_head.png", values(0, 1), ["[parts.head]", 'masks = "images/{stem}_head.png"']),
        ("m/{}.png", values(0, 1, 4, 255), ["[parts.\"m 1\"]", "values = [1]", "ignore = [255]",
                                            "[parts.\"m 4\"]"]),
        ("m/{}.png", np.linspace(0, 255, 360, dtype=np.uint8).reshape(18, 20), ["folders = true"]),
    ],
    ids=["folder", "suffix", "index", "a gray photo"],
)  # fmt: skip
def test_masks_are_found_by_their_names_and_values(
    tmp_path: Path, place: str, pixels: np.ndarray, lines: list[str]
) -> None:
    photos(tmp_path)
    for name in NAMES:
        image(tmp_path / place.format(name), pixels)
    text = proposed(tmp_path)
    for line in lines:
        assert line in text


def test_class_folders_split_folders_and_mirrored_masks_are_found(tmp_path: Path) -> None:
    for part in ("train", "val", "test"):
        for kind in ("cat", "dog"):
            photos(tmp_path, f"data/{part}/{kind}", range(3), "png")
            for i in range(3):
                image(tmp_path / "masks" / part / kind / f"{i}.png", values(0, 1))
    text = proposed(tmp_path)
    for line in ('images = "data"', "[split]\nfolders = true", "[tasks.label]\nfolders = true",
                 '[parts.masks]\nmasks = "masks/{path}.png"'):  # fmt: skip
        assert line in text


def test_coco_is_proposed_with_its_categories_and_key_points(tmp_path: Path) -> None:
    photos(tmp_path, "images", ["a", "b", "c", "d"])
    raw = {
        "images": [{"id": i, "file_name": f"{n}.jpg"} for i, n in enumerate("abcd")],
        "annotations": [
            {"image_id": i, "category_id": i % 2, "bbox": [1, 1, 9, 9]} for i in range(4)
        ],
        "categories": [{"id": 0, "name": "cat", "keypoints": ["nose"]}, {"id": 1, "name": "dog"}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(raw))
    (tmp_path / "other.json").write_text("{}")
    text = proposed(tmp_path)
    for line in ('coco = ["instances.json"]', "categories = true", '[points]\nnose = "nose"',
                 '[parts.cat]\ncoco = "cat"', '[parts.dog]\ncoco = "dog"'):  # fmt: skip
        assert line in text


def test_a_folder_without_labels_or_photos_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no photo"):
        jaxens.data.propose(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path.parent)
    with pytest.raises(UserError, match=r"holds no photo \(links to folders .*: linked\)"):
        jaxens.data.propose(tmp_path)
    photos(tmp_path, "", ["a", "b", "c", "d"])
    assert "# dataset.toml needs a task" in jaxens.data.propose(tmp_path)


@pytest.mark.slow
def test_describe_writes_a_proposal_once_and_shows_what_is_there(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "pets", "", [f"{kind}_{i}" for kind in ("cat", "dog") for i in range(5)])
    for i in range(5):
        shutil.copy(tmp_path / "pets" / "cat_0.jpg", tmp_path / "pets" / f"cat_{50 + i}.jpg")
        image(tmp_path / "pets" / "m" / f"cat_{i}.png", values(0, 1))
    flags = ["describe", "pets", "--cache-dir", "cache", "--image-size", "16"]
    main([*flags, "--out", "proposal.toml", "--images", "3"])
    printed = capsys.readouterr().out
    assert not (tmp_path / "pets" / "dataset.toml").exists()
    assert (tmp_path / "proposal.toml").read_text() in printed
    for line in (
        "pets: 15 images (train 10, val 2, test 3)",
        "photos: 20 to 20 pixels wide, 18 to 18 high (medians 20 x 18)",
        "photos with the same content: 1 groups, 1 of them in several splits: cat_",
        "| cat | ",
        "mask: m",
    ):
        assert line in printed
    assert (tmp_path / "page.png").stat().st_size > 0
    main([*flags, "--layout", "proposal.toml", "--images", "3"])
    assert "pets: 15 images (train 10, val 2, test 3)" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"--out is for the dataset\.toml of a folder"):
        main([*flags, "--layout", "proposal.toml", "--out", "x.toml"])
    assert not (tmp_path / "pets" / "dataset.toml").exists()
    main([*flags, "--images", "3"])
    text = (tmp_path / "pets" / "dataset.toml").read_text()
    assert text == (tmp_path / "proposal.toml").read_text()
    (tmp_path / "pets" / "dataset.toml").write_text(text.replace("tasks.label", "tasks.kind"))
    capsys.readouterr()
    main([*flags, "--images", "3"])
    printed = capsys.readouterr().out
    assert "proposed" not in printed
    assert "\nkind\n" in printed
    main(["prepare", "--data", "folder", "--data-dir", "pets", "--cache-dir", "cache"])
    assert "collection/1.1.0: train 10, val 2, test 3" in " ".join(
        capsys.readouterr().out.split()
    ).replace(" /", "/")


def test_describe_shows_any_source(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    counts = ["--train-images", "4", "--val-images", "2", "--test-images", "3"]
    main(["describe", *counts, "--cache-dir", "cache", "--image-size", "16", "--images", "3"])
    printed = capsys.readouterr().out
    assert "FieldMarks: 9 images (train 4, val 2, test 3)" in printed
    assert "key point: bill" in printed
    with pytest.raises(UserError, match=r"--out is for the dataset\.toml of a folder"):
        main(["describe", *counts, "--out", "x.toml"])
