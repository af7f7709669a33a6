"""Every model has these properties."""

from collections.abc import Callable

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from jax.typing import DTypeLike

from jaxens.models import VGG, Classifier, EfficientNetLite0, ResNet, SmallResNet
from tests.models.material import shapes_of, variables_of

pytestmark = pytest.mark.slow

TASKS = (("species", 5), ("bill", 3))
SHAPE = (2, 33, 40, 3)
MODELS = {
    "small": SmallResNet(TASKS),
    "resnet18": ResNet(TASKS, width=8),
    "resnet50": ResNet(TASKS, blocks=(1, 1, 1, 1), bottleneck=True, width=8),
    "vgg16": VGG(TASKS),
    "vgg16-full": VGG(TASKS, full_classifier=True, hidden=16),
    "efficientnet-lite0": EfficientNetLite0(TASKS),
}
# From the papers: a ReLU follows every convolution but those of shortcuts and those that narrow an
# inverted bottleneck and, in the full VGG, both hidden layers.
CONVOLUTIONS = {
    "small": 5,
    "resnet18": 20,
    "resnet50": 1 + 4 * 4,
    "vgg16": 13,
    "vgg16-full": 13,
    "efficientnet-lite0": 1 + 2 + 15 * 3 + 1,
}
ACTIVATIONS = {
    "small": 5,
    "resnet18": 17,
    "resnet50": 1 + 4 * 3,
    "vgg16": 13,
    "vgg16-full": 15,
    "efficientnet-lite0": 1 + 1 + 15 * 2 + 1,
}


@pytest.fixture(scope="module", params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(name: str) -> Classifier:
    return MODELS[name]


@pytest.fixture(scope="module")
def variables(model: Classifier) -> dict:
    return variables_of(model)


@pytest.fixture(scope="module")
def whole(model: Classifier, variables: dict) -> dict:
    """The logits of the whole model."""
    return model.apply(variables, images())


def images(dtype: DTypeLike = jnp.float32) -> jax.Array:
    return jax.random.normal(jax.random.key(1), SHAPE, dtype)


def primitives(function: Callable, *args: object) -> set[str]:
    """The names of all primitives that a function calls."""

    def walk(jaxpr: jax.extend.core.Jaxpr) -> set[str]:
        inner = (
            walk(sub) for eqn in jaxpr.eqns for sub in jax.extend.core.jaxprs_in_params(eqn.params)
        )
        return {eqn.primitive.name for eqn in jaxpr.eqns}.union(*inner)

    return walk(jax.make_jaxpr(function)(*args).jaxpr)


def test_features_and_head_compose_to_the_model(
    model: Classifier, variables: dict, whole: dict
) -> None:
    features = model.apply(variables, images(), method="features")
    logits = model.apply(variables, features, method="head")
    assert features.ndim == 4
    for task, classes in TASKS:
        assert whole[task].shape == (2, classes)
        np.testing.assert_array_equal(logits[task], whole[task])
        assert np.ptp(whole[task], axis=0).min() > 0  # the images matter


def test_pooled_features_need_the_trunk_and_classify_needs_all_else(
    model: Classifier, variables: dict, whole: dict
) -> None:
    trunk = {name: {"trunk": parts["trunk"]} for name, parts in variables.items()}
    above = {k: part for k, part in variables["params"].items() if k != "trunk"}
    features = model.apply(trunk, images(), method="pooled_features")
    logits = model.apply({"params": above}, features, method="classify")
    assert features.ndim == 2
    jax.tree.map(np.testing.assert_array_equal, logits, whole)


def test_each_task_has_a_head_of_its_own(model: Classifier, variables: dict, whole: dict) -> None:
    heads = dict(variables["params"]["heads"])
    heads["bill"] = jax.tree.map(lambda leaf: leaf + 1, heads["bill"])
    changed = {**variables, "params": {**variables["params"], "heads": heads}}
    after = model.apply(changed, images())
    np.testing.assert_array_equal(whole["species"], after["species"])
    assert np.all(whole["bill"] != after["bill"])


def test_every_activation_is_the_models_parameter(name: str, model: Classifier) -> None:
    calls = []

    def identity(x: jax.Array) -> jax.Array:
        calls.append(x.shape)
        return x

    linear = model.clone(act=identity)
    names = primitives(linear.apply, shapes_of(model), images())
    assert len(calls) == ACTIVATIONS[name]
    assert not names & {"max", "custom_jvp_call"}
    assert "custom_jvp_call" in primitives(model.apply, shapes_of(model), images())


def test_every_convolution_is_the_models_parameter(name: str, model: Classifier) -> None:
    calls = []

    def zeros(lhs: jax.Array, rhs: jax.Array, *args: object, **kwargs: object) -> jax.Array:
        calls.append(rhs.shape)
        out = jax.eval_shape(
            lambda a, b: jax.lax.conv_general_dilated(a, b, *args, **kwargs), lhs, rhs
        )
        return jnp.zeros(out.shape, out.dtype)

    without = model.clone(conv_general_dilated=zeros)
    names = primitives(without.apply, shapes_of(model), images())
    assert len(calls) == CONVOLUTIONS[name]
    assert "conv_general_dilated" not in names
    assert "conv_general_dilated" in primitives(model.apply, shapes_of(model), images())


def test_bfloat16_computes_in_it_and_keeps_parameters_and_logits_in_float32(
    model: Classifier,
) -> None:
    half = model.clone(dtype=jnp.bfloat16)
    variables = shapes_of(half)
    features = jax.eval_shape(lambda v, x: half.apply(v, x, method="features"), variables, images())
    logits = jax.eval_shape(half.apply, variables, images(jnp.bfloat16))
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype(jnp.float32)}
    assert features.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in logits.values()} == {jnp.dtype(jnp.float32)}


def test_bfloat16_logits_are_near_those_of_float32(
    model: Classifier, variables: dict, whole: dict
) -> None:
    exact = whole["species"]
    rough = model.clone(dtype=jnp.bfloat16).apply(variables, images())["species"]
    assert 0 < np.abs(rough - exact).max() < 0.1 * np.abs(exact).max()


@pytest.mark.parametrize("train", [False, True])
def test_vmap_over_members_equals_a_loop_over_them(train: bool) -> None:
    model = SmallResNet(TASKS, widths=(4, 6), blocks=(0, 1))

    @jax.jit
    def apply(variables: dict) -> tuple[dict, dict]:
        return model.apply(variables, images(), train, mutable=["batch_stats"])

    members = [variables_of(model, seed) for seed in range(3)]
    vmapped = jax.vmap(apply)(jax.tree.map(lambda *leaves: jnp.stack(leaves), *members))
    looped = jax.tree.map(lambda *leaves: np.stack(leaves), *map(apply, members))
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5),
        vmapped,
        looped,
    )


@pytest.mark.parametrize("tasks", [(), (("bill", 0),), (("bill", 2), ("bill", 3))])
def test_impossible_tasks_raise(tasks: tuple) -> None:
    with pytest.raises(ValueError, match="tasks must be one or more pairs"):
        shapes_of(SmallResNet(tasks))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (jnp.zeros((2, 33, 40, 1)), r"must be \[batch, height, width, 3\]"),
        (jnp.zeros((33, 40, 3)), r"must be \[batch, height, width, 3\]"),
        (jnp.zeros((2, 33, 40, 3), jnp.uint8), "normalized floats, got uint8"),
    ],
)
def test_impossible_images_raise(bad: jax.Array, message: str) -> None:
    model = MODELS["small"]
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(model.apply, shapes_of(model), bad)
