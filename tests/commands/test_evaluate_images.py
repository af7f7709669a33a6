"""The images that are scored: changed ones, and those of another data set."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import jaxens
from jaxens import metrics
from jaxens.data.fieldmarks.species import BILL_LENGTHS, independent_traits
from jaxens.data.opening import open_data
from jaxens.data.source import load
from jaxens.evaluation.augmented import augmented
from jaxens.evaluation.images import Images
from jaxens.runs.run import Run
from tests.commands.evaluated import evaluated
from tests.data import tiny_cub

pytestmark = pytest.mark.slow


def test_the_truth_of_changed_images_moves_along(run):
    evaluated(run.folder, "--augment", "--tasks", "wing_pattern", "--methods", "grad_cam")
    changed = np.load(run.folder / "evaluation-augmented" / "scores.npz")
    opened = Run.open(run.folder)
    test = load(open_data(opened.config.data).test)
    moved = augmented(test, 0, flip=True, zoom=0.05, color=0.1)
    assert (moved.images != test.images).any(axis=(1, 2, 3)).all()
    # By the moved masks, not the old ones: a score recomputed from the moved split is the same.
    ensemble = jaxens.load(run.folder)
    place = 0
    row = test.ids.index(changed["wing_pattern/images"][place])
    maps = ensemble.attribute(
        jnp.asarray(moved.images[row][None]),
        int(test.labels["wing_pattern"][row]),
        "grad_cam",
        task="wing_pattern",
    )[:, 0]
    mask = moved.mask(("wing",))[row]
    want = metrics.correlation(maps.mean(axis=0), mask)
    got = changed["wing_pattern/grad_cam/correlation/ensemble"][place]
    np.testing.assert_allclose(got, want, atol=1e-3)


def test_masks_points_and_images_are_changed_alike(run):
    """The wing's center of mass, by its mask, stays as near to its point as it was."""
    opened = Run.open(run.folder)
    test = load(open_data(opened.config.data).test)
    moved = augmented(test, 3, flip=True, zoom=0.3, color=0.0)
    row = test.info.points.index("wing")
    for i in range(len(test)):
        before = metrics.center_of_mass(test.mask(("wing",))[i] * 1.0)
        mask = moved.mask(("wing",))[i]
        point = moved.points[i, row]
        if np.isnan(point).any() or mask[[0, -1]].any() or mask[:, [0, -1]].any():
            continue
        after = metrics.center_of_mass(mask * 1.0)
        offset = np.abs(np.asarray(before) - test.points[i, row])
        np.testing.assert_allclose(np.abs(np.asarray(after) - point), offset, atol=0.08)
        assert not np.array_equal(moved.masks[i], test.masks[i])


def test_an_ensemble_is_scored_on_another_data_set(run, tmp_path):
    """Learned on drawn birds, located on photos that nobody labeled with the same classes."""
    cub = str(tiny_cub.write(tmp_path))
    printed = evaluated(
        *(run.folder, "--on", "cub", "--data-dir", cub, "--parts", "bill=beak"),
        *("--methods", "grad_cam", "gradient_shap"),
    )
    opened, images = Run.open(run.folder), Images(on="cub", data_dir=cub)
    data = open_data(images.other_data(vars(opened.config.data), opened.config.data.cache_dir))
    sentence = (
        f"the 6 test images, of cub (fingerprint {data.fingerprint}); "
        f"trained on FieldMarks (fingerprint {opened.record['data']})"
    )
    folder = run.folder / "evaluation-on-cub"
    settings = json.loads((folder / "settings.json").read_text())
    text = (folder / "tables.md").read_text()
    assert sentence == settings["sample"]
    assert sentence in text
    assert sentence in printed
    assert text.startswith("# Explanations of tiny on cub")
    # No test image has a visible wing.
    found = (settings["explained"], settings["questions"], settings["truth"])
    assert found == ("prediction", ["bill_length"], ["beak"])

    scores, other = np.load(folder / "scores.npz"), load(data.test)
    rows = [other.ids.index(id) for id in scores["bill_length/images"]]
    maps = jaxens.load(run.folder).attribute(
        jnp.asarray(other.images[rows]),
        scores["bill_length/targets"],
        "grad_cam",
        task="bill_length",
    )
    want = metrics.center_of_mass_distance(maps.mean(axis=0), other.point(("beak",))[rows])
    got = scores["bill_length/grad_cam/distance/ensemble"]
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_labels_of_another_data_set_are_explained_if_it_has_the_task(run):
    words = ["--on", "fieldmarks", "--attributes", "independent", "--explain", "label"]
    evaluated(run.folder, *words, "--methods", "saliency", "--tasks", "bill_length")
    scores = np.load(run.folder / "evaluation-on-fieldmarks-independent-label" / "scores.npz")
    for id, target in zip(scores["bill_length/images"], scores["bill_length/targets"], strict=True):
        index = 2_000_000 + int(id.removeprefix("test-"))
        assert BILL_LENGTHS[target] == independent_traits(0, index).bill_length
