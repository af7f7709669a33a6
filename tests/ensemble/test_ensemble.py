"""A trained ensemble answers and explains member by member, as each member alone would."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution
from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble, mean_probabilities, normalized
from jaxens.ensemble.quality import task_quality
from jaxens.models import build
from jaxens.ops import conv_general_dilated

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": "eye", "crest": "crown"})
MEMBERS = 3


@pytest.fixture(scope="module")
def ensemble():
    model = build(
        "small", [("species", 3), ("marks", 2)], conv_general_dilated=conv_general_dilated
    )
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    variables = jax.jit(jax.vmap(model.init, (0, None)))(keys, jnp.zeros((1, 16, 16, 3)))
    return Ensemble(model, variables, (SPECIES, MARKS))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


def alone(ensemble, k):
    return jax.tree.map(lambda leaf: leaf[k], ensemble.variables)


def test_logits_are_each_members_own(ensemble, images):
    together = ensemble.logits(images, "marks")
    assert together.shape == (MEMBERS, 2, 2)
    for k in range(MEMBERS):
        own = ensemble.model.apply(alone(ensemble, k), normalized(images / 255))["marks"]
        np.testing.assert_allclose(together[k], own, rtol=1e-5, atol=1e-5)


def test_floats_are_taken_as_normalised(ensemble, images):
    np.testing.assert_allclose(
        ensemble.logits(normalized(images / 255), "species"),
        ensemble.logits(images, "species"),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_those_of_the_task_and_the_member_alone(ensemble, images, method):
    targets, key = np.array([1, 0]), jax.random.key(5)
    settings = {"steps": 3, "samples": 2}
    maps = ensemble.attribute(
        images, targets, method, task="marks", key=key, background=images, **settings
    )
    assert maps.shape == (MEMBERS, 2, 16, 16)
    floats = normalized(images / 255)
    for k in range(MEMBERS):
        variables = alone(ensemble, k)
        own = attribution.explain(
            method,
            lambda x, v=variables: ensemble.model.apply(v, x, method="features"),
            lambda f, v=variables: ensemble.model.apply(v, f, method="head")["marks"],
            floats,
            targets,
            key=key,
            background=floats,
            **settings,
        )
        np.testing.assert_allclose(maps[k], own, rtol=1e-4, atol=1e-5 * np.abs(own).max())


def test_integrated_gradients_start_where_they_are_told_to(ensemble, images):
    def maps(baselines):
        return ensemble.attribute(
            images, 0, "integrated_gradients", task="species", baselines=baselines, steps=4
        )

    itself = normalized(images / 255)
    np.testing.assert_allclose(maps(itself), 0, atol=1e-6)
    np.testing.assert_allclose(maps(np.zeros(3)), maps(0.0), atol=1e-6)


def test_a_contrast_is_the_difference_of_two_maps(ensemble, images):
    def maps(target):
        return ensemble.attribute(images, target, "input_x_gradient", task="species")

    contrast = maps(attribution.Contrast(2, 0))
    np.testing.assert_allclose(contrast, maps(2) - maps(0), atol=1e-5)


@pytest.mark.parametrize("target", [-1, 2, np.array([0, 2])])
def test_a_class_that_the_task_lacks_is_refused(ensemble, images, target):
    with pytest.raises(ValueError, match="task marks has classes 0 to 1"):
        ensemble.attribute(images, target, "saliency", task="marks")


@pytest.mark.parametrize("task", [None, "family"])
def test_an_unknown_task_is_refused_by_name(ensemble, images, task):
    with pytest.raises(ValueError, match="name one of species, marks"):
        ensemble.logits(images, task)


def test_the_ensemble_averages_probabilities():
    logits = np.random.default_rng(0).normal(size=(MEMBERS, 4, 3)).astype(np.float32)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(mean_probabilities(SPECIES, logits), softmax.mean(0), rtol=1e-5)
    two = logits[..., :2]
    np.testing.assert_allclose(
        mean_probabilities(MARKS, two), (1 / (1 + np.exp(-two))).mean(0), rtol=1e-5
    )


def test_quality_leaves_missing_labels_out_and_knows_chance():
    labels = np.array([0, 1, -1, 1], np.int32)
    right = jax.nn.one_hot(jnp.array([0, 1, 0, 1]), 3) * 9.0
    wrong = jax.nn.one_hot(jnp.array([0, 0, 0, 0]), 3) * 1.0
    found = task_quality(SPECIES, jnp.stack([right, wrong]), labels)
    assert found.members == pytest.approx((1.0, 1 / 3))
    assert found.mean == pytest.approx(2 / 3)
    assert found.ensemble == 1.0
    assert found.chance == pytest.approx(2 / 3)
