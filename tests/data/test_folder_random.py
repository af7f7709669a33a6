"""A user's folder with any one value of its tables replaced is read, or named in one line."""

import csv
import io
import json
import tomllib
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxens.data.folder import builder
from jaxens.errors import UserError
from tests.nests import OTHERS, places, replaced

LAYOUT = """
images = "photos"
table = "t.csv"
coco = "a.json"
[tasks.kind]
column = "kind"
parts = ["body"]
[tasks.signs]
columns = ["red", "blue"]
[points]
eye = ["x", "y"]
nose = "nose"
[parts.body]
coco = "body"
[parts.head]
box = {left = "x", top = "y", width = "w", height = "h"}
"""
pytestmark = pytest.mark.slow

HEADER = "file,kind,red,blue,x,y,w,h"
TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", "nan", "-1", "1e400", "9" * 5000, "²", "../1.png", "/dev/zero", "\0", '"']
    ),
    st.sampled_from(["\ud800", "[/red]", "\x1b[31m", "a\nb", ",", ";", "x" * 10_000]),
    st.floats().map(str),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    rows, images, annotations = [HEADER], [], []
    for i in range(8):
        path = root / "photos" / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (6, 4), (30 * i, 0, 0)).save(path)
        rows.append(f"{i}.png,{'cat' if i % 2 else 'dog'},{i % 2},1,1.5,2,2,1")
        images.append({"id": i, "file_name": path.name, "width": 6, "height": 4})
        box = {"bbox": [1, 1, 3, 2], "keypoints": [3, 2, 2], "num_keypoints": 1}
        annotations.append({"image_id": i, "category_id": 7, "iscrowd": 0, **box})
    categories = [{"id": 7, "name": "body", "keypoints": ["nose"]}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    (root / "t.csv").write_text("\n".join(rows) + "\n")
    (root / "a.json").write_text(json.dumps(coco))
    (root / "dataset.toml").write_text(LAYOUT)
    builder.read(root)
    return root


def is_read_or_named(root: Path, file: str, content: str | bytes) -> None:
    """Reads a folder in which one file has another content."""
    path = root / file
    before = path.read_bytes()
    path.write_bytes(
        content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape")
    )
    try:
        collection = builder.read(root)
    except UserError as error:
        collection, message = None, str(error)
    else:
        message = f"{root} is read"
    finally:
        path.write_bytes(before)
    # If too much is wrong, the message begins with the data set, and names a file.
    assert str(root) in message or (
        message.startswith(f"{root.name}: more than") and file in message
    )
    assert "\n" not in message
    assert len(message) < 2000
    for items in collection.splits.values() if collection else ():
        assert all(item.path.is_relative_to(root / "photos") for item in items)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 8), st.integers(0, 7), TEXTS)
def test_with_any_field_of_the_table_replaced(root: Path, row: int, field: int, text: str) -> None:
    rows = [line.split(",") for line in (root / "t.csv").read_text().splitlines()]
    rows[row][field] = text
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    is_read_or_named(root, "t.csv", file.getvalue().encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 300), st.binary(max_size=4), st.integers(0, 4))
def test_with_any_bytes_of_the_table_changed(
    root: Path, start: int, other: bytes, lost: int
) -> None:
    whole = (root / "t.csv").read_bytes()
    is_read_or_named(root, "t.csv", whole[:start] + other + whole[start + lost :])


def test_a_category_that_many_annotations_lack_is_a_message_that_names_the_file(root: Path) -> None:
    raw = json.loads((root / "a.json").read_text())
    content = json.dumps(replaced(raw, ("categories", 0, "id"), 0))
    is_read_or_named(root, "a.json", content)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_with_any_value_of_coco_replaced(root: Path, data: st.DataObject) -> None:
    raw = json.loads((root / "a.json").read_text())
    where = data.draw(st.sampled_from(list(places(raw))))
    other = data.draw(OTHERS | TEXTS)
    is_read_or_named(root, "a.json", json.dumps(replaced(raw, where, other)))


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_with_any_value_of_the_description_replaced(root: Path, data: st.DataObject) -> None:
    raw = tomllib.loads(LAYOUT)
    where = data.draw(st.sampled_from([place for place in places(raw) if place]))
    other = data.draw(OTHERS | TEXTS)
    try:
        content = tomli_w.dumps(replaced(raw, where, other))
    except (TypeError, ValueError):  # TOML has no null
        return
    is_read_or_named(root, "dataset.toml", content.encode("utf-8", "surrogatepass"))
