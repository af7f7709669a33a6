"""Photos with an EXIF orientation, whose annotations are of the stored or of the upright pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxens.data.folder import builder
from jaxens.data.preparing import notices
from jaxens.data.source import Source, load
from jaxens.data.split import Split
from tests.data.test_folder_mistakes import refused
from tests.data.test_photos import SEEN, held, saved

HEIGHT, WIDTH = SEEN.shape[:2]  # 6 x 10, upright
HEAD = np.zeros((HEIGHT, WIDTH), np.uint8)
HEAD[1:3, 4:8] = 255
KIND = "[tasks.kind]\npattern = '(.)\\d'\n"
MASKS = KIND + '[parts.head]\nmasks = "masks/{stem}.png"\n'
TABLE = (
    'table = "t.csv"\n' + KIND + '[points]\neye = ["x", "y"]\n'
    '[parts.box]\nbox = {left = "l", top = "t", right = "r", bottom = "b"}\n'
)


def photos(root: Path, orientation: int) -> Path:
    (root / "photos").mkdir(parents=True)
    for i in range(8):
        saved(root / "photos" / f"{'ab'[i % 2]}{i}.png", held(SEEN, orientation), orientation)
    return root


def masks(root: Path, mask: np.ndarray) -> None:
    (root / "masks").mkdir()
    for path in (root / "photos").iterdir():
        Image.fromarray(mask).save(root / "masks" / path.name)


def table(root: Path, values: str) -> None:
    rows = [f"{path.name},{values}" for path in (root / "photos").iterdir()]
    (root / "t.csv").write_text("\n".join(["file,x,y,l,t,r,b", *rows]))


def layout(root: Path, text: str) -> None:
    (root / "dataset.toml").write_text(f'images = "photos"\n{text}')


def annotated(root: Path, orientation: int) -> Split:
    """All annotations of these photos are of the upright pixels."""
    masks(photos(root, orientation), HEAD)
    table(root, "7,2,4,1,8,3")
    layout(root, 'annotations = "upright"\nbox = "box"\n' + TABLE + MASKS.removeprefix(KIND))
    records = builder.prepare(root, root.parent / "cache")
    turned = [each for each in notices(records) if "taken as those of the upright photo" in each]
    assert len(turned) == (orientation != 1)
    return load(Source(records, "train", HEIGHT))  # so that no pixel is resized


@pytest.mark.parametrize("orientation", range(2, 9))
def test_upright_annotations_are_where_they_are_on_the_upright_photo(
    tmp_path: Path, orientation: int
) -> None:
    plain, turned = annotated(tmp_path / "1" / "set", 1), annotated(tmp_path / "set", orientation)
    np.testing.assert_array_equal(turned.images, plain.images)
    for part in ("head", "box"):
        np.testing.assert_array_equal(turned.mask((part,)), plain.mask((part,)))
    np.testing.assert_allclose(turned.points, plain.points, atol=1e-6)
    np.testing.assert_allclose(turned.boxes, plain.boxes, atol=1e-6)
    head = turned.mask(("head",))
    assert head is not None
    assert head.any()


def coco(root: Path, width: int, height: int) -> None:
    images = [
        {"id": path.name, "file_name": path.name, "width": width, "height": height}
        for path in (root / "photos").iterdir()
    ]
    notes = [{"image_id": each["id"], "category_id": 1, "bbox": [1, 1, 3, 3]} for each in images]
    raw = {"images": images, "annotations": notes, "categories": [{"id": 1, "name": "head"}]}
    (root / "c.json").write_text(json.dumps(raw))
    layout(root, 'coco = "c.json"\n' + KIND + '[parts.head]\ncoco = "head"\n')


def voc(root: Path, width: int, height: int) -> None:
    for path in (root / "photos").iterdir():
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
        size = f"<size><width>{width}</width><height>{height}</height></size>"
        (root / f"{path.stem}.xml").write_text(
            f"<annotation>{size}<object>{box}</object></annotation>"
        )
    layout(root, KIND + '[parts.head]\nvoc = "{stem}.xml"\n')


def mask_files(root: Path, width: int, height: int) -> None:
    masks(root, np.tri(height, width, dtype=np.uint8))
    layout(root, MASKS)


def points(root: Path, width: int, height: int) -> None:
    table(root, f"{width - 1},{height - 1},,,,")
    layout(root, TABLE)


def boxes(root: Path, width: int, height: int) -> None:
    table(root, f",,1,1,{width},{height}")
    layout(root, TABLE)


@pytest.mark.parametrize("write", [coco, voc, mask_files, points, boxes])
@pytest.mark.parametrize(
    ("frame", "size"), [("upright", (WIDTH, HEIGHT)), ("stored", (HEIGHT, WIDTH))]
)
def test_sizes_and_places_tell_which_pixels_were_annotated(tmp_path, write, frame, size) -> None:
    root = photos(tmp_path / "set", 6)
    write(root, *size)
    whole = builder.read(root)
    assert {item.frame for items in whole.splits.values() for item in items} == {frame}
    assert any(f"as those of the {frame} photo, as 8 of 8 sizes" in each for each in whole.notices)
    split = load(Source(builder.prepare(root, tmp_path / "cache"), "train", 16))
    assert write is points or split.masks.any(axis=(1, 2, 3)).all()  # type: ignore[union-attr]


@pytest.mark.parametrize("units", ["", 'units = "fractions"\n'])
def test_without_a_sign_the_stored_pixels_are_taken_and_a_notice_says_so(
    tmp_path: Path, units: str
) -> None:
    root = photos(tmp_path / "set", 6)
    points(root, 2, 2)
    (root / "dataset.toml").write_text(f"{units}{(root / 'dataset.toml').read_text()}")
    whole = builder.read(root)
    assert {item.frame for items in whole.splits.values() for item in items} == {"stored"}
    assert "taken as those of the stored photo, as nothing tells" in " ".join(whole.notices)
    assert 'add annotations = "upright" to dataset.toml' in " ".join(whole.notices)


def test_photos_that_are_not_turned_need_no_notice(tmp_path: Path) -> None:
    points(photos(tmp_path / "set", 1), WIDTH, HEIGHT)
    assert builder.read(tmp_path / "set").notices == []


def test_annotations_of_anything_else_are_one_line(tmp_path: Path) -> None:
    layout(photos(tmp_path / "set", 6), 'annotations = "sideways"\n' + KIND)
    assert "annotations: it should be 'stored' or 'upright', not 'sideways'" in refused(
        tmp_path / "set"
    )
