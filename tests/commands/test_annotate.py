"""The annotate command: what it writes, in which formats, and how it refuses."""

import csv
import json

import jsonschema
import numpy as np
import pytest
from PIL import Image

from jaxens import annotation
from jaxens.annotate import main as annotate
from jaxens.annotation import SCHEMA
from jaxens.cli.console import console
from jaxens.errors import UserError
from jaxens.files import lock

pytestmark = pytest.mark.slow

EVERYTHING = ["--confidence", "0", "--drawn", "0"]  # a tiny run is sure of nothing


def annotated(*words):
    with console.capture() as capture:
        annotate([*map(str, words), *EVERYTHING])
    return capture.get()


def test_a_figure_per_image_and_a_json_that_fits_its_schema(run, tmp_path):
    printed = annotated(
        run.folder, "--images", 2, "--styles", "all", "--formats", "svg", "--out", tmp_path / "out"
    )
    content = json.loads((tmp_path / "out" / "annotations.json").read_text())
    jsonschema.validate(content, SCHEMA)
    names = [image["name"] for image in content["images"]]
    assert len(names) == 2
    assert {f"{name}.svg" for name in names} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert content["origin"]["checkpoint"] in {"epoch 1, the best", "epoch 2, the best"}
    for image in content["images"]:
        assert image["sentence"].partition(";")[0] in " ".join(printed.split())
        # Of a multiclass task one sighting; of the marks each, because no confidence is needed.
        assert {"bill_length", "wing_pattern", "marks"} == {
            sighting["task"] for sighting in image["sightings"]
        }
        assert len(image["sightings"]) == 7


def test_photos_are_annotated_whatever_their_names(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    photo = tmp_path / "a <b> [red] \u05d0 $x$.png"
    Image.fromarray(pixels).save(photo)
    annotated(run.folder, photo, "--sightings", 2, "--out", tmp_path / "out")
    content = json.loads((tmp_path / "out" / "annotations.json").read_text())
    assert [len(image["sightings"]) for image in content["images"]] == [2]
    (figure,) = (tmp_path / "out").glob("*.png")
    assert figure.name == "a_-b-_[red]_\u05d0_$x$.png"


def test_a_photo_is_drawn_with_its_own_pixels(run, tmp_path, monkeypatch):
    """Not with those of the small image that the networks see."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8)).save(tmp_path / "p.png")
    drawn = []

    def draw(annotations, styles):
        drawn.extend(annotations)
        return annotation.draw(annotations, styles)

    monkeypatch.setattr("jaxens.annotation.saving.draw", draw)
    annotated(run.folder, tmp_path / "p.png", "--styles", "all", "--out", tmp_path / "out")
    annotated(run.folder, "--images", 1, "--out", tmp_path / "of-data")
    assert [each.image.shape for each in drawn] == [(300, 300, 3), (16, 16, 3)]


def test_other_annotations_are_not_overwritten(run, tmp_path):
    annotated(run.folder, "--images", 1, "--out", tmp_path)
    before = (tmp_path / "annotations.json").read_text()
    annotated(run.folder, "--images", 1, "--out", tmp_path)  # the same again
    for words, message in [
        (["--images", 2], "other images"),
        (["--images", 1, "--solid", 1], "other rules"),
        (["--images", 1, "--steps", 3], "settings"),
        (["--images", 1, "--against", "1"], "settings"),
    ]:
        with pytest.raises(UserError, match=f"{message}.*: name another --out"):
            annotated(run.folder, *words, "--out", tmp_path)
    assert (tmp_path / "annotations.json").read_text() == before
    (tmp_path / "annotations.json").write_text('{"images": [1]}')
    with pytest.raises(UserError, match=r"annotations\.json can't be read: name another --out"):
        annotated(run.folder, "--images", 1, "--out", tmp_path)


@pytest.mark.long
def test_hits_are_measured_for_every_question_method_and_rule(run, tmp_path):
    words = ["--measure", "grad_cam", "saliency", "--split", "train", "--out", tmp_path]
    annotated(run.folder, *words)
    text = (tmp_path / "arrows" / "hits.csv").read_text()
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["method"] for row in rows} == {"grad_cam", "saliency"}
    assert {row["tip"] for row in rows} == {"center_of_mass", "peak", "region"}
    assert all(0 <= float(row["ensemble within 20%"]) <= 1 for row in rows)
    assert (tmp_path / "arrows" / "reliability.png").stat().st_size > 1000


@pytest.mark.long
def test_other_hits_are_not_overwritten(run, tmp_path):
    words = ["--measure", "grad_cam", "--images", 3, "--out", tmp_path]
    annotated(run.folder, *words)
    before = (tmp_path / "arrows" / "hits.csv").read_text()
    annotated(run.folder, *words, "--member-images-at-once", 2)  # the same
    others = (["--split", "test"], ["--images", 4], ["--seed", 1], ["--measure", "saliency"])
    for more in others:
        with pytest.raises(UserError, match="holds hits by other methods or settings, on other im"):
            annotated(run.folder, *words, *more)
    with lock(tmp_path / "arrows"), pytest.raises(UserError, match="another process writes into"):
        annotated(run.folder, *words)
    assert (tmp_path / "arrows" / "hits.csv").read_text() == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["photo.png", "--images", "2"], "name no photos"),
        (["photo.png", "--measure", "saliency"], "--measure takes the images of a split: name no"),
        (["--ids", "a", "--measure", "saliency"], "--measure takes .* no photos, and no --ids"),
        (["--against", "lark"], "--against lark: species has no such class"),
        (["--method", "gradcam"], "grad_cam"),
    ],
)
def test_what_can_not_be_annotated_is_told_in_one_line(run, words, message):
    with pytest.raises(UserError, match=message):
        annotate([str(run.folder), *words])
