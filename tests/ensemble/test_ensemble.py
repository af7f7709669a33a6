"""The logits and maps of an ensemble are those of each member computed alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution, metrics
from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble, mean_probabilities, programs
from jaxens.ensemble.quality import task_quality
from jaxens.errors import UserError
from jaxens.models import SmallResNet, normalized
from jaxens.ops import conv_general_dilated

pytestmark = pytest.mark.slow

SPECIES = Task.multiclass("species", ("a", "b", "c"))
MARKS = Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)})
MEMBERS = 3


@pytest.fixture(scope="module")
def ensemble():
    model = SmallResNet(  # of two convolutions, because most of the time is XLA's compiler's
        tasks=(("species", 3), ("marks", 2)),
        widths=(4, 8),
        blocks=(0, 0),
        conv_general_dilated=conv_general_dilated,
    )
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    variables = jax.jit(jax.vmap(model.init, (0, None)))(keys, jnp.zeros((1, 16, 16, 3)))
    return Ensemble(model, variables, (SPECIES, MARKS))


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)


def variables_of_member(ensemble, k):
    return jax.tree.map(lambda leaf: leaf[k], ensemble.variables)


def test_logits_are_those_of_each_member(ensemble, images):
    logits = ensemble.logits(images, "marks")
    assert logits.shape == (MEMBERS, 2, 2)
    logits_of_member = jax.jit(ensemble.model.apply)
    for k in range(MEMBERS):
        variables = variables_of_member(ensemble, k)
        want = logits_of_member(variables, normalized(images / 255))["marks"]
        np.testing.assert_allclose(logits[k], want, rtol=1e-5, atol=1e-5)


def test_floats_are_already_normalized(ensemble, images):
    np.testing.assert_allclose(
        ensemble.logits(normalized(images / 255), "species"),
        ensemble.logits(images, "species"),
        rtol=1e-5,
        atol=1e-6,
    )


KEY = jax.random.key(5)
SEGMENTS = np.arange(256).reshape(16, 16) // 40


def settings_of(method, images, **changed):
    values = {"key": KEY, "steps": 3, "samples": 8, "segments": np.stack([SEGMENTS, SEGMENTS % 5])}
    if method == "gradient_shap":
        values["baselines"] = images
    values |= changed
    return {name: value for name, value in values.items() if name in METHODS[method].settings}


@pytest.mark.parametrize("method", METHODS)
def test_maps_are_those_of_each_member_for_one_task(ensemble, images, method):
    targets = np.array([1, 0])
    maps = ensemble.attribute(images, targets, method, "marks", **settings_of(method, images))
    assert maps.shape == (MEMBERS, 2, 16, 16)
    floats = normalized(images / 255)
    settings = settings_of(method, floats)
    if method == "lime":
        settings |= {"probabilities": jax.nn.sigmoid}  # of a multilabel task

    @jax.jit
    def maps_of_member(variables):
        member = network(ensemble.model, variables, "marks")
        return attribution.attribute(method, member, floats, targets, **settings)

    for k in range(MEMBERS):
        want = maps_of_member(variables_of_member(ensemble, k))
        np.testing.assert_allclose(maps[k], want, rtol=1e-4, atol=2e-5 * np.abs(want).max())


def network(model, variables, task):
    guided = model.clone(act=attribution.guided_relu)
    return attribution.Network(
        lambda x: model.apply(variables, x)[task],
        lambda x: model.apply(variables, x, method="features"),
        lambda f: model.apply(variables, f, method="head")[task],
        lambda x: guided.apply(variables, x)[task],
    )


@pytest.mark.parametrize("method", ["integrated_gradients", "smooth_grad", "lime"])
def test_maps_do_not_depend_on_chunks(ensemble, images, method):
    settings = settings_of(method, images, baselines=images[::-1])
    targets = np.array([1, 0])
    want = ensemble.attribute(images, targets, method, "species", **settings)
    for at_once in ({"images_at_once": 1}, {"members_at_once": 2}, {"chunk": 2}):
        maps = ensemble.attribute(images, targets, method, "species", **settings, **at_once)
        np.testing.assert_allclose(maps, want, atol=1e-5 * np.abs(want).max())


def test_several_methods_in_one_program_return_the_maps_of_each_method(ensemble, images):
    keys = jax.random.split(jax.random.key(6), (MEMBERS, 2))
    methods = {
        "smooth_grad": settings_of("smooth_grad", images, key=keys),
        "saliency": {"reduce": "sum_abs"},
        "gradient_shap": settings_of("gradient_shap", images),
        "lime": settings_of("lime", images),
        "integrated_gradients": settings_of("integrated_gradients", images, baselines=images[::-1]),
    }
    targets = np.array([1, 0])
    one_by_one = {
        method: ensemble.attribute(images, targets, method, "marks", **settings)
        for method, settings in methods.items()
    }
    for at_once in ({}, {"images_at_once": 1, "members_at_once": 2}):
        maps = ensemble.explain(images, targets, methods, "marks", **at_once)
        assert list(maps) == list(methods)
        for method, want in one_by_one.items():
            np.testing.assert_allclose(maps[method], want, atol=1e-5 * np.abs(want).max())


def test_methods_share_gradients_and_forward_passes(ensemble, images):
    def work(*methods):
        """The number of convolutions and matrix products, under any of XLA's names for them."""
        program = programs.maps.lower(
            ensemble.variables,
            ensemble.trunk,
            normalized(images / 255),
            np.int32(0),
            {method: {} for method in methods},
            {method: {} for method in methods},
            {},
            mesh=None,
            model=ensemble.model,
            tasks=ensemble.tasks,
            methods=tuple((method, ()) for method in methods),
            function=None,
        )
        text = program.compile().as_text()
        return sum(text.count(f" {name}(") for name in ("convolution", "dot", "custom-call"))

    one_gradient, one_guided = work("saliency"), work("guided_backprop")
    all_methods = work(
        "saliency", "input_x_gradient", "grad_cam", "guided_backprop", "guided_grad_cam"
    )
    assert all_methods < one_gradient + one_guided  # these two share their forward pass, too


def test_each_member_and_image_may_have_its_own_key(ensemble, images):
    def maps(key, **at_once):
        settings = settings_of("smooth_grad", images, key=key)
        return ensemble.attribute(images, 0, "smooth_grad", "species", **settings, **at_once)

    by_image = jax.random.split(KEY, 2)
    shared = maps(by_image)
    repeated = jnp.broadcast_to(by_image, (MEMBERS, 2))
    np.testing.assert_allclose(maps(repeated), shared, atol=1e-6)
    keys = jax.random.split(jax.random.key(6), (MEMBERS, 2)).at[1].set(by_image)
    separate = maps(keys, images_at_once=1, members_at_once=2)
    np.testing.assert_allclose(separate[1], shared[1], atol=1e-6)
    assert not np.allclose(separate[0], shared[0], atol=1e-5)
    with pytest.raises(ValueError, match=r"or \(3, 2\) keys, one for each member and image"):
        maps(keys[:2])


def test_identical_members_agree_and_maps_follow_the_order_of_members(ensemble, images):
    reordered = jax.tree.map(lambda leaf: leaf[jnp.array([2, 0, 1])], ensemble.variables)
    same = jax.tree.map(lambda leaf: jnp.broadcast_to(leaf[:1], leaf.shape), ensemble.variables)

    def maps(variables):
        other = Ensemble(ensemble.model, variables, ensemble.tasks)
        return other.attribute(images, 0, "input_x_gradient", "species")

    before, after = maps(ensemble.variables), maps(reordered)
    np.testing.assert_allclose(after, before[np.array([2, 0, 1])], atol=1e-6)
    np.testing.assert_allclose(metrics.mean_map(after), metrics.mean_map(before), atol=1e-6)
    np.testing.assert_allclose(metrics.spread(maps(same)), 0, atol=1e-6)
    np.testing.assert_allclose(metrics.agreement(maps(same)), 1, atol=1e-5)


def test_a_function_of_a_tasks_logits_is_a_target(ensemble, images):
    def difference(logits):
        return logits[:, 2] - logits[:, 0]

    maps = ensemble.attribute(images, difference, "input_x_gradient", "species")
    contrast = attribution.Contrast(2, 0)
    want = ensemble.attribute(images, contrast, "input_x_gradient", "species")
    np.testing.assert_allclose(maps, want, atol=1e-6)


def test_raw_keys_and_lists_are_accepted(ensemble, images):
    raw = jax.random.split(jax.random.PRNGKey(5), 2)  # [image, 2], and as many members as numbers
    typed = jax.random.wrap_key_data(raw)
    settings = settings_of("gradient_shap", images)
    maps = [
        ensemble.attribute(images, targets, "gradient_shap", "species", **settings | {"key": key})
        for targets, key in ((np.array([2, 0]), typed), ([2, 0], raw))
    ]
    np.testing.assert_array_equal(*maps)
    black = ensemble.attribute(
        images, 0, "integrated_gradients", "species", baselines=[0.0, 0.0, 0.0], steps=4
    )
    want = ensemble.attribute(images, 0, "integrated_gradients", "species", steps=jnp.int32(4))
    np.testing.assert_allclose(black, want, atol=1e-6)


def test_errors_name_the_argument(ensemble, images):
    broken = np.array(normalized(images / 255))
    broken[1, 3, 3] = np.nan
    segments = np.stack([SEGMENTS, SEGMENTS])

    def refused(match, images=images, targets=0, method="saliency", **settings):
        with pytest.raises(ValueError, match=match):
            ensemble.attribute(images, targets, method, "species", **settings)

    refused("image 1 contains NaN", broken)
    refused("targets have type float64", targets=1.7)
    refused("baselines contains NaN", method="integrated_gradients", baselines=np.full(3, np.nan))
    refused("baselines has shape", method="integrated_gradients", baselines=np.zeros((5, 5)))
    refused("key is 0, which is not a random key: give jax.random.key", method="smooth_grad", key=0)
    lime = {"method": "lime", "key": KEY}
    refused("label -1", **lime, segments=segments - 1)
    refused("segments has shape", **lime, segments=segments[:, 1:])
    for settings, match in (
        ({"segments": segments - 1}, "label -1"),
        ({"segments": segments, "variant": "x"}, "unknown variant 'x'"),
        ({"segments": segments, "samples": 0}, "samples is 0"),
    ):
        with pytest.raises(ValueError, match=match):
            ensemble.lime_weights(images, key=KEY, **settings)


def test_lime_weights_give_the_maps_of_every_class_of_every_task(ensemble, images):
    settings = {"key": KEY, "segments": np.stack([SEGMENTS, SEGMENTS % 5]), "samples": 12}
    weights = ensemble.lime_weights(images, **settings, chunk=5)
    for task in ensemble.tasks:
        for target in range(len(task.classes)):
            maps = ensemble.attribute(images, target, "lime", task.name, **settings)
            for member in range(MEMBERS):
                of_class = weights[task.name][member, ..., target]
                from_weights = attribution.segments_to_map(of_class, settings["segments"])
                np.testing.assert_allclose(from_weights, maps[member], atol=1e-5)


def test_integrated_gradients_start_at_the_baselines(ensemble, images):
    def maps(baselines):
        return ensemble.attribute(
            images, 0, "integrated_gradients", task="species", baselines=baselines, steps=4
        )

    np.testing.assert_allclose(maps(normalized(images / 255)), 0, atol=1e-6)
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
    with pytest.raises(UserError, match="choose from species, marks"):
        ensemble.logits(images, task)


def test_the_ensemble_averages_probabilities():
    logits = np.random.default_rng(0).normal(size=(MEMBERS, 4, 3)).astype(np.float32)
    softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(mean_probabilities(SPECIES, logits), softmax.mean(0), rtol=1e-5)
    multilabel = logits[..., :2]
    sigmoid = 1 / (1 + np.exp(-multilabel))
    np.testing.assert_allclose(mean_probabilities(MARKS, multilabel), sigmoid.mean(0), rtol=1e-5)
    logits[1, 2] = np.nan  # of one member and image
    expected = softmax.mean(0)
    expected[2] = np.delete(softmax, 1, axis=0)[:, 2].mean(0)
    np.testing.assert_allclose(mean_probabilities(SPECIES, logits), expected, rtol=1e-5)


def test_quality_leaves_missing_labels_out_and_reports_chance():
    labels = np.array([0, 1, -1, 1], np.int32)
    right = jax.nn.one_hot(jnp.array([0, 1, 0, 1]), 3) * 9.0
    wrong = jax.nn.one_hot(jnp.array([0, 0, 0, 0]), 3) * 1.0
    scores = task_quality(SPECIES, jnp.stack([right, wrong]), labels)
    assert scores.members == pytest.approx((1.0, 1 / 3))
    assert scores.mean == pytest.approx(2 / 3)
    assert scores.ensemble == 1.0
    assert scores.chance == pytest.approx(2 / 3)
