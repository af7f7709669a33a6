"""The explain command: what it chooses, what it writes, what it leaves out, how it refuses."""

import hashlib
import json
import re
import shutil
import zlib

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxens
from jaxens.data.opening import open_data
from jaxens.errors import UserError
from jaxens.explain import main as explain
from jaxens.runs.loading import abstract_state
from jaxens.runs.run import Run
from tests.commands.explained import FIGURES, explained, provenance_of, read

pytestmark = pytest.mark.slow


def test_a_file_is_explained_without_the_data_set(run, photo, tmp_path, monkeypatch):
    moved = tmp_path / "run"
    shutil.copytree(run.folder, moved)
    monkeypatch.setattr(
        "jaxens.runs.own_data.data_of", lambda *_: pytest.fail("opened the data set")
    )
    printed = explained(moved, photo, "--methods", "grad_cam", "saliency")
    (folder,) = moved.glob("explained-*")
    assert folder.name == "explained-bird[bold]$1_$-species"
    assert str(folder) in printed
    assert photo.name in printed
    for method in ("grad_cam", "saliency"):
        assert sorted(f.name for f in (folder / method).iterdir()) == sorted(
            [*FIGURES, "explanation.json"]
        )
        for name in FIGURES:
            with Image.open(folder / method / name) as figure:
                assert figure.width > 600
                assert np.ptp(np.asarray(figure.convert("L"))) == 255


def test_the_prediction_is_explained_and_printed_with_the_members_that_agree(run, source, tmp_path):
    ids = [source[row].id for row in (2, 7)]
    printed = explained(
        run.folder, "--task", "wing_pattern", "--ids", *ids, "--methods", "grad_cam",
        "--save-maps", "--out", tmp_path,
    )  # fmt: skip
    maps, provenance = read(tmp_path)
    opened = Run.open(run.folder)
    epoch, _ = opened.checkpoints.best(abstract_state(opened.config, opened.info))
    assert provenance["explained"]["checkpoint"] == f"epoch {epoch}, the best"
    ensemble = jaxens.load(run.folder)
    images = jnp.asarray(np.stack([source[row].image for row in (2, 7)]))
    logits = np.asarray(ensemble.logits(images, "wing_pattern"), np.float64)
    each = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    answers = each.mean(axis=0).argmax(axis=-1)
    agreeing = (each.argmax(axis=-1) == answers).sum(axis=0)
    classes = next(t for t in ensemble.tasks if t.name == "wing_pattern").classes
    assert maps["targets"].tolist() == answers.tolist()
    assert maps["images"].tolist() == ids
    assert maps["maps"].shape == (2, 2, 16, 16)
    assert maps["maps"].dtype == np.float32
    want = ensemble.attribute(images, answers, "grad_cam", "wing_pattern")
    np.testing.assert_allclose(maps["maps"], want, atol=1e-5)
    for i, prediction in enumerate(provenance["predictions"]):
        assert prediction["class"] == classes[answers[i]]
        assert prediction["probability"] == pytest.approx(
            each.mean(axis=0)[i, answers[i]], abs=1e-5
        )
        assert prediction["agreeing"] == agreeing[i]
        (line,) = [line for line in printed.splitlines() if ids[i] in line]
        assert f"{agreeing[i]} of 2" in line
        assert f"{each.mean(axis=0)[i, answers[i]]:.3f}" in line


def test_a_contrast_is_the_difference_of_two_classes(run, source, tmp_path):
    explained(run.folder, "--task", "wing_pattern", "--images", "2", "--target", "barred",
              "--against", "0", "--methods", "input_x_gradient", "--save-maps",
              "--out", tmp_path)  # fmt: skip
    maps, provenance = read(tmp_path, "input_x_gradient")
    ensemble = jaxens.load(run.folder)
    classes = next(t for t in ensemble.tasks if t.name == "wing_pattern").classes
    barred = classes.index("barred")
    assert (maps["targets"] == barred).all()
    assert maps["against"] == 0
    assert provenance["explained"]["against"] == classes[0]
    images = jnp.asarray(np.stack([source[row].image for row in (0, 11)]))
    one, other = (
        ensemble.attribute(images, k, "input_x_gradient", "wing_pattern") for k in (barred, 0)
    )
    np.testing.assert_allclose(maps["maps"], one - other, atol=1e-4)


def test_maps_do_not_depend_on_the_other_images(run, source, tmp_path):
    """Also where random numbers are drawn, which depend on the row of the image."""
    ids = [source[row].id for row in (5, 1)]
    words = ["--task", "wing_pattern", "--methods", "smooth_grad", "--noise-samples", "2",
             "--save-maps"]  # fmt: skip
    explained(run.folder, *words, "--ids", *ids, "--out", tmp_path / "both")
    explained(run.folder, *words, "--ids", ids[1], "--out", tmp_path / "one")
    both, one = read(tmp_path / "both", "smooth_grad")[0], read(tmp_path / "one", "smooth_grad")[0]
    np.testing.assert_allclose(both["maps"][:, 1:], one["maps"], rtol=1e-3, atol=1e-5)


def test_gradient_shap_takes_its_background_from_the_data_set(run, photo, tmp_path):
    explained(run.folder, photo, "--methods", "gradient_shap", "--shap-samples", "2",
              "--save-maps", "--out", tmp_path)  # fmt: skip
    maps, provenance = read(tmp_path, "gradient_shap")
    assert np.isfinite(maps["maps"]).all()
    assert maps["maps"].any()
    assert provenance["explained"]["settings"] == {"samples": 2}
    train = open_data(Run.open(run.folder).config.data).train
    rows = np.linspace(0, len(train) - 1, 16).astype(int)
    pixels = b"".join(train[int(row)].image.tobytes() for row in rows)
    baseline = {"training_images": 16, "crc32": zlib.crc32(pixels)}
    assert provenance["explained"]["baseline"] == baseline


def test_provenance_names_what_was_explained_and_how(run, photo, tmp_path):
    explained(run.folder, photo, "--methods", "integrated_gradients", "--steps", "3", "--seed", "4",
              "--target", "0", "--out", tmp_path)  # fmt: skip
    provenance = provenance_of(tmp_path, "integrated_gradients")
    decided = provenance["explained"]
    assert decided["settings"] == {"steps": 3}
    assert decided["baseline"] == "mean color"
    assert decided["seed"] == 4
    assert decided["run"] == "tiny"
    assert decided["task"] == "species"
    (image,) = decided["images"]
    assert image["name"] == str(photo)
    assert image["sha256"] == hashlib.sha256(photo.read_bytes()).hexdigest()
    assert image["target"] == Run.open(run.folder).info.task("species").classes[0]
    assert {"jax", "scikit-image", "scipy"} <= provenance["versions"].keys()


def test_a_method_is_added_and_a_display_redrawn_but_another_question_refused(run, photo, tmp_path):
    words = [run.folder, photo, "--out", tmp_path, "--methods"]
    explained(*words, "grad_cam")
    before = (tmp_path / "grad_cam" / "members.png").read_bytes()
    explained(*words, "grad_cam", "saliency", "--colors", "heat")
    assert (tmp_path / "grad_cam" / "members.png").read_bytes() != before
    assert (tmp_path / "saliency" / "members.png").exists()
    kept = (tmp_path / "grad_cam" / "members.png").read_bytes()
    with pytest.raises(UserError, match="explains other images, or with other settings"):
        explained(*words, "grad_cam", "--task", "wing_pattern")
    assert (tmp_path / "grad_cam" / "members.png").read_bytes() == kept


def test_more_images_than_fit_one_figure_take_several(run, tmp_path):
    words = (run.folder, "--images", "4", "--methods", "grad_cam", "--images-per-figure", "3")
    explained(*words, "--out", tmp_path)
    names = {file.name for file in (tmp_path / "grad_cam").glob("*.png")}
    assert names == {f"{name[:-4]}-{page}.png" for name in FIGURES for page in (1, 2)}


def test_images_are_explained_in_parts_with_the_same_results(run, tmp_path, monkeypatch):
    methods = ["smooth_grad", "lime"]
    words = [run.folder, "--images", "5", "--methods", *methods, "--noise-samples", "2",
             "--lime-samples", "20", "--images-per-figure", "2", "--save-maps"]  # fmt: skip
    explained(*words, "--out", tmp_path / "at once")
    monkeypatch.setattr("jaxens.evaluation.settings.IMAGES_PER_PART", 2)
    explained(*words, "--out", tmp_path / "parts")
    at_once, parts = (
        {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path / "at once", tmp_path / "parts")
    )
    assert at_once == parts
    for method in methods:
        (want, first), (maps, second) = (
            read(tmp_path / folder, method) for folder in ("at once", "parts")
        )
        assert first == second
        assert want.keys() == maps.keys()
        np.testing.assert_array_equal(maps["images"], want["images"])
        np.testing.assert_allclose(maps["maps"], want["maps"], rtol=1e-3, atol=1e-5)


def test_a_broken_file_is_left_out_and_the_others_explained(run, photo, tmp_path, caplog):
    (tmp_path / "broken.jpg").write_text("no image")
    explained(run.folder, tmp_path / "broken.jpg", photo, "--methods", "grad_cam",
              "--save-maps", "--out", tmp_path / "out")  # fmt: skip
    assert read(tmp_path / "out")[0]["images"].tolist() == [str(photo)]
    assert "broken.jpg is not an image of a known format" in caplog.text


def test_a_multilabel_task_counts_the_members_that_find_the_label(run, source, tmp_path):
    explained(run.folder, "--task", "marks", "--images", "3", "--methods", "grad_cam",
              "--out", tmp_path)  # fmt: skip
    predictions = provenance_of(tmp_path)["predictions"]
    images = jnp.asarray(np.stack([source[row].image for row in (0, 5, 11)]))
    logits = np.asarray(jaxens.load(run.folder).logits(images, "marks"), np.float64)
    each = 1 / (1 + np.exp(-logits))
    classes = Run.open(run.folder).info.task("marks").classes
    for i, prediction in enumerate(predictions):
        k = each[:, i].mean(axis=0).argmax()
        assert prediction["class"] == classes[k]
        assert prediction["agreeing"] == (each[:, i, k] > 0.5).sum()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--task", "wing"], "there is no task 'wing': choose from species, family"),
        (["--task", "wing_pattern", "--target", "bared"], "did you mean barred"),
        (["--task", "wing_pattern", "--target", "17"], "choose from .*barred.* 0 to 5"),
        (["--task", "wing_pattern", "--target", "0", "--against", "0"], "is --target"),
        (["--methods", "gradcam"], "gradcam"),
        (["--percentile", "101"], "at most 100"),
        (["--ids", "nobody"], "has no image 'nobody'"),
        (["--ids", "nobody", "--images", "3"], "give one of them"),
        (["nowhere.png"], "none of 1 files is a photo"),
        (["nowhere.png", "--images", "3"], "name no photos"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(run, tmp_path, words, named):
    with pytest.raises(UserError, match=named) as caught:
        explained(run.folder, "--out", tmp_path / "out", *words)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_prediction_is_no_contrast_to_itself(run, photo, tmp_path):
    explained(run.folder, photo, "--methods", "grad_cam", "--save-maps", "--out", tmp_path)
    predicted = str(read(tmp_path)[0]["targets"][0])
    with pytest.raises(UserError, match=re.escape(f"is the prediction for {photo}")):
        explained(run.folder, photo, "--against", predicted, "--out", tmp_path / "never")


def test_a_folder_that_is_no_run_is_named(tmp_path):
    with pytest.raises(UserError, match="is not a run directory"):
        explain([str(tmp_path)])


def test_other_data_than_the_run_was_trained_on_are_refused(run, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(run.folder, moved)
    provenance = json.loads((moved / "provenance.json").read_text())
    (moved / "provenance.json").write_text(json.dumps(provenance | {"data": "0" * 16}))
    with pytest.raises(UserError, match="was trained on other data"):
        explained(moved, "--methods", "grad_cam")
