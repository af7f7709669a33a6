"""A trained ensemble answers and explains member by member, as each member alone would."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution, metrics
from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble, explaining, mean_probabilities
from jaxens.ensemble.quality import task_quality
from jaxens.models import build, normalized
from jaxens.ops import conv_general_dilated

pytestmark = pytest.mark.slow

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)})
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


KEY = jax.random.key(5)
SEGMENTS = np.arange(256).reshape(16, 16) // 40


def settings(method, images, **changed):
    given = {"key": KEY, "steps": 3, "samples": 8, "segments": np.stack([SEGMENTS, SEGMENTS % 5])}
    if method == "gradient_shap":
        given["baselines"] = images
    given |= changed
    return {name: value for name, value in given.items() if name in METHODS[method].settings}


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_those_of_the_task_and_the_member_alone(ensemble, images, method):
    targets = np.array([1, 0])
    maps = ensemble.attribute(images, targets, method, "marks", **settings(method, images))
    assert maps.shape == (MEMBERS, 2, 16, 16)
    floats = normalized(images / 255)
    given = settings(method, floats)
    if method == "lime":
        given |= {"probabilities": jax.nn.sigmoid}  # of a multilabel task
    for k in range(MEMBERS):
        own = attribution.attribute(method, network(ensemble, k, "marks"), floats, targets, **given)
        np.testing.assert_allclose(maps[k], own, rtol=1e-4, atol=2e-5 * np.abs(own).max())


def network(ensemble, k, task):
    model, variables = ensemble.model, alone(ensemble, k)
    guided = model.clone(act=attribution.guided_relu)
    return attribution.Network(
        lambda x: model.apply(variables, x)[task],
        lambda x: model.apply(variables, x, method="features"),
        lambda f: model.apply(variables, f, method="head")[task],
        lambda x: guided.apply(variables, x)[task],
    )


@pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad", "lime"])
def test_no_map_depends_on_what_is_at_once(ensemble, images, method):
    given = settings(method, images, baselines=images[::-1])
    targets = np.array([1, 0])
    together = ensemble.attribute(images, targets, method, "species", **given)
    for at_once in ({"images_at_once": 1}, {"members_at_once": 2}, {"chunk": 2}):
        maps = ensemble.attribute(images, targets, method, "species", **given, **at_once)
        np.testing.assert_allclose(maps, together, atol=1e-6 * np.abs(together).max())


def test_several_methods_in_one_program_give_each_ones_maps(ensemble, images):
    own = jax.random.split(jax.random.key(6), (MEMBERS, 2))
    methods = {
        "smooth_grad": settings("smooth_grad", images, key=own),
        "saliency": {"reduce": "sum_abs"},
        "gradient_shap": settings("gradient_shap", images),
        "lime": settings("lime", images),
        "integrated_gradients": settings("integrated_gradients", images, baselines=images[::-1]),
    }
    targets = np.array([1, 0])
    alone = {
        method: ensemble.attribute(images, targets, method, "marks", **given)
        for method, given in methods.items()
    }
    for at_once in ({}, {"images_at_once": 1, "members_at_once": 2}):
        maps = ensemble.explain(images, targets, methods, "marks", **at_once)
        assert list(maps) == list(methods)
        for method, want in alone.items():
            np.testing.assert_allclose(maps[method], want, atol=1e-5 * np.abs(want).max())


def test_what_methods_have_in_common_is_computed_once(ensemble, images):
    def work(*methods):
        """Convolutions and matrix products, by whatever name XLA calls them."""
        program = explaining.maps.lower(
            ensemble.variables,
            ensemble.trunk,
            normalized(images / 255),
            np.int32(0),
            {method: {} for method in methods},
            {},
            model=ensemble.model,
            tasks=ensemble.tasks,
            methods=tuple((method, ()) for method in methods),
            function=None,
        )
        text = program.compile().as_text()
        return sum(text.count(f" {name}(") for name in ("convolution", "dot", "custom-call"))

    one_gradient, one_guided = work("saliency"), work("guided_backprop")
    together = work(
        "saliency", "input_x_gradient", "grad_cam", "guided_backprop", "guided_grad_cam"
    )
    assert together < one_gradient + one_guided  # whose forward passes are one, too


def test_each_member_and_image_may_have_a_key_of_its_own(ensemble, images):
    def maps(key, **at_once):
        given = settings("smooth_grad", images, key=key)
        return ensemble.attribute(images, 0, "smooth_grad", "species", **given, **at_once)

    by_image = jax.random.split(KEY, 2)
    shared = maps(by_image)
    same = jnp.broadcast_to(by_image, (MEMBERS, 2))
    np.testing.assert_allclose(maps(same), shared, atol=1e-6)
    own = jax.random.split(jax.random.key(6), (MEMBERS, 2)).at[1].set(by_image)
    some = maps(own, images_at_once=1, members_at_once=2)
    np.testing.assert_allclose(some[1], shared[1], atol=1e-6)
    assert not np.allclose(some[0], shared[0], atol=1e-5)
    with pytest.raises(ValueError, match="or one for each of 3 members too"):
        maps(own[:2])


def test_identical_members_agree_and_the_order_of_members_is_that_of_maps(ensemble, images):
    turned = jax.tree.map(lambda leaf: leaf[jnp.array([2, 0, 1])], ensemble.variables)
    same = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), ensemble.variables)

    def maps(variables):
        other = Ensemble(ensemble.model, variables, ensemble.tasks)
        return other.attribute(images, 0, "input_x_gradient", "species")

    before, after = maps(ensemble.variables), maps(turned)
    np.testing.assert_allclose(after, before[np.array([2, 0, 1])], atol=1e-6)
    np.testing.assert_allclose(metrics.mean_map(after), metrics.mean_map(before), atol=1e-6)
    np.testing.assert_allclose(metrics.spread(maps(same)), 0, atol=1e-6)
    np.testing.assert_allclose(metrics.agreement(maps(same)), 1, atol=1e-5)


def test_a_function_of_a_tasks_logits_is_a_target(ensemble, images):
    def rather(logits):
        return logits[:, 2] - logits[:, 0]

    maps = ensemble.attribute(images, rather, "input_x_gradient", "species")
    contrast = attribution.Contrast(2, 0)
    want = ensemble.attribute(images, contrast, "input_x_gradient", "species")
    np.testing.assert_allclose(maps, want, atol=1e-6)


def test_raw_keys_and_lists_serve_as_well(ensemble, images):
    raw = jax.random.split(jax.random.PRNGKey(5), 2)  # [image, 2], and as many members as numbers
    typed = jax.random.wrap_key_data(raw)
    given = settings("gradient_shap", images)
    maps = [
        ensemble.attribute(images, targets, "gradient_shap", "species", **given | {"key": key})
        for targets, key in ((np.array([2, 0]), typed), ([2, 0], raw))
    ]
    np.testing.assert_array_equal(*maps)
    black = ensemble.attribute(
        images, 0, "integrated_gradients", "species", baselines=[0.0, 0.0, 0.0], steps=4
    )
    want = ensemble.attribute(images, 0, "integrated_gradients", "species", steps=jnp.int32(4))
    np.testing.assert_allclose(black, want, atol=1e-6)


def test_mistakes_are_named(ensemble, images):
    broken = np.array(normalized(images / 255))
    broken[1, 3, 3] = np.nan
    segments = np.stack([SEGMENTS, SEGMENTS])

    def refused(match, images=images, targets=0, method="saliency", **given):
        with pytest.raises(ValueError, match=match):
            ensemble.attribute(images, targets, method, "species", **given)

    refused("image 1 contains NaN", broken)
    refused("targets have type float64", targets=1.7)
    refused("baselines holds NaN", method="integrated_gradients", baselines=np.full(3, np.nan))
    refused("baselines has shape", method="integrated_gradients", baselines=np.zeros((5, 5)))
    refused("key is 0: give jax.random.key", method="smooth_grad", key=0)
    lime = {"method": "lime", "key": KEY}
    refused("label -1", **lime, segments=segments - 1)
    refused("segments has shape", **lime, segments=segments[:, 1:])
    for given, match in (
        ({"segments": segments - 1}, "label -1"),
        ({"segments": segments, "variant": "x"}, "unknown variant 'x'"),
        ({"segments": segments, "samples": 0}, "samples is 0"),
    ):
        with pytest.raises(ValueError, match=match):
            ensemble.lime_weights(images, key=KEY, **given)


def test_surrogates_give_the_maps_of_every_class_of_every_task(ensemble, images):
    given = {"key": KEY, "segments": np.stack([SEGMENTS, SEGMENTS % 5]), "samples": 12}
    weights = ensemble.lime_weights(images, **given, chunk=5)
    for task in ensemble.tasks:
        for target in range(len(task.classes)):
            maps = ensemble.attribute(images, target, "lime", task.name, **given)
            for member in range(MEMBERS):
                own = weights[task.name][member, ..., target]
                painted = attribution.segments_to_map(own, given["segments"])
                np.testing.assert_allclose(painted, maps[member], atol=1e-5)


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
