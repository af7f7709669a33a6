import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import flax.linen as nn
import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jaxens import attribution as attr
from jaxens import models
from jaxens.targets import Model
from tests.attribution import cnn, vgg

pytestmark = pytest.mark.slow

IMAGES = cnn.sample_images(3)
TASKS = (("species", 5),)
PARAMS = vgg.random_params()
GUIDED = jax.jit(partial(vgg.logits, PARAMS, act=attr.guided_relu))
HALVES = (
    jax.jit(partial(vgg.features, PARAMS, act=jax.nn.relu)),
    jax.jit(partial(vgg.head, PARAMS, act=jax.nn.relu)),
)


def test_a_gradient_passes_where_input_and_gradient_are_positive() -> None:
    x, gradient = jnp.array([-1.0, 1, 1, -1, 0, 2]), jnp.array([1.0, 1, -1, -1, 3, 0.5])
    out, backwards = jax.vjp(attr.guided_relu, x)
    np.testing.assert_array_equal(out, [0, 1, 1, 0, 0, 2])
    np.testing.assert_array_equal(backwards(gradient)[0], [0, 1, 0, 0, 0, 0.5])


def test_the_precision_of_its_input_is_kept() -> None:
    x = jnp.ones(3, jnp.bfloat16)
    out, backwards = jax.vjp(attr.guided_relu, x)
    assert out.dtype == backwards(x)[0].dtype == jnp.bfloat16


def test_the_guided_model_gives_the_same_logits() -> None:
    logits = jax.jit(partial(vgg.logits, PARAMS, act=jax.nn.relu))
    np.testing.assert_array_equal(GUIDED(IMAGES), logits(IMAGES))


def test_what_only_negative_weights_carry_is_left_out() -> None:
    """logit = relu(pixel 0) - relu(pixel 1), on positive pixels."""

    def logits(images: jax.Array) -> jax.Array:
        pixels = attr.guided_relu(images.reshape(len(images), 2))
        return pixels @ jnp.array([[1.0], [-1.0]])

    maps = attr.guided_backprop(logits, np.full((1, 1, 2, 1), 3, np.float32), 0)
    np.testing.assert_array_equal(maps[0, 0, :, 0], [1, 0])


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_guided_grad_cam_is_a_product_and_zero_where_grad_cam_is_negative(
    interpolation: str,
) -> None:
    maps = attr.guided_grad_cam(GUIDED, *HALVES, IMAGES, 1, interpolation)
    coarse = attr.grad_cam(*HALVES, IMAGES, 1)
    assert 0.1 < np.mean(coarse <= 0) < 0.9
    positive = attr.resize(np.maximum(coarse, 0), IMAGES.shape[1:3], interpolation)
    expected = attr.guided_backprop(GUIDED, IMAGES, 1) * positive[..., None]
    np.testing.assert_allclose(maps, expected, atol=1e-6 * np.abs(expected).max())
    same = attr.guided_grad_cam(GUIDED, *HALVES, IMAGES, 1)
    assert np.array_equal(maps, same) == (interpolation == "nearest")


def test_a_guided_head_is_refused() -> None:
    guided_head = partial(vgg.head, PARAMS, act=attr.guided_relu)
    with pytest.raises(ValueError, match=r"head_fn contains guided_relu.* ordinary model"):
        attr.guided_grad_cam(GUIDED, HALVES[0], guided_head, IMAGES, 1)


def test_guided_grad_cam_computes_the_features_once() -> None:
    functions = (
        partial(vgg.logits, PARAMS, act=attr.guided_relu),
        partial(vgg.features, PARAMS, act=jax.nn.relu),
        partial(vgg.head, PARAMS, act=jax.nn.relu),
    )

    def convolutions(*methods: Callable[..., jax.Array]) -> int:
        explain = jax.jit(lambda images: [method(images) for method in methods])
        return explain.lower(IMAGES).compile().as_text().count(" convolution(")

    both = convolutions(lambda images: attr.guided_grad_cam(*functions, images, 1))
    guided = convolutions(lambda images: attr.guided_backprop(functions[0], images, 1))
    assert both == guided == 6  # three layers, there and back


@pytest.mark.parametrize("name", models.MODELS)
def test_each_of_our_models_is_guided_through_act(name: str) -> None:
    model, images = models.build(name, TASKS), np.ones((1, 32, 48, 3), np.float32)

    def check(model: models.Classifier) -> None:
        def logits(images: jax.Array) -> jax.Array:
            shapes = jax.eval_shape(model.init, jax.random.key(0), images)
            variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
            return model.apply(variables, images)["species"]

        jax.eval_shape(lambda images: attr.check_guided(logits, images), images)

    with warns_of_nothing():
        check(model.clone(act=attr.guided_relu))
    with pytest.raises(ValueError, match=r"contains no guided_relu.* plain gradients"):
        check(model)


def pixels(images: jax.Array) -> jax.Array:
    return images.reshape(len(images), -1)


def scanned(act: Model) -> Model:
    def layer(x: jax.Array, scale: jax.Array) -> tuple[jax.Array, None]:
        return act(scale * x), None

    return lambda images: jax.lax.scan(layer, pixels(images), jnp.arange(3.0))[0]


def branched(act: Model) -> Model:
    return lambda images: jax.lax.cond(images.sum() > 0, act, lambda x: x, pixels(images))


def nnx_model(act: Model) -> Model:
    return nnx.Sequential(pixels, nnx.Linear(420, 4, rngs=nnx.Rngs(0)), act)


def linen_model(act: Model) -> Model:
    block = nn.remat(nn.Dense)(4)
    params = block.init(jax.random.key(0), jnp.zeros((1, 420)))
    return jax.jit(lambda images: act(block.apply(params, pixels(images))))


WRAPPED = {
    "plain": lambda act: lambda images: act(pixels(images)),
    "jit": lambda act: jax.jit(lambda images: jax.jit(act)(pixels(images))),
    "vmap over images": lambda act: jax.vmap(lambda image: jax.jit(act)(image.ravel())),
    "remat": lambda act: jax.checkpoint(lambda images: act(pixels(images))),
    "scan": scanned,
    "cond": branched,
    "NNX": nnx_model,
    "Linen": linen_model,
}


def warns_of(relus: int) -> pytest.WarningsRecorder:
    return pytest.warns(UserWarning, match=f"seems to contain {relus} ordinary ReLU next to")


@contextmanager
def warns_of_nothing() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
def test_relus_are_found_in_called_functions(wrap: Callable[[Model], Model]) -> None:
    with warns_of_nothing():
        attr.check_guided(wrap(attr.guided_relu), IMAGES)
    with pytest.raises(ValueError, match="contains no guided_relu"):
        attr.check_guided(wrap(jax.nn.relu), IMAGES)
    with warns_of(1):
        attr.check_guided(wrap(lambda x: attr.guided_relu(jax.nn.relu(x))), IMAGES)


def test_a_trace_that_jit_has_kept_is_read_again() -> None:
    model = jax.jit(WRAPPED["plain"](attr.guided_relu))
    unguided = jax.jit(WRAPPED["plain"](jax.nn.relu))
    for _ in range(2):
        attr.check_guided(model, IMAGES)
        assert attr.guided_backprop(model, IMAGES, 0).shape == IMAGES.shape
        with pytest.raises(ValueError, match="no guided_relu"):
            attr.guided_backprop(unguided, IMAGES, 0)
        model(IMAGES), unguided(IMAGES)


@pytest.mark.parametrize("method", ["backprop", "grad-cam"])
def test_under_vmap_over_members_each_is_checked_and_explained(method: str) -> None:
    members = [cnn.random_params(seed=seed) for seed in range(2)]

    def explain(params: cnn.Params, act: Model = attr.guided_relu) -> jax.Array:
        guided = partial(cnn.logits, params, act=act)
        if method == "backprop":
            return attr.guided_backprop(guided, IMAGES, 1)
        halves = partial(cnn.features, params), partial(cnn.head, params)
        return attr.guided_grad_cam(guided, *halves, IMAGES, 1)

    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)
    maps = jax.jit(jax.vmap(explain))(stacked)
    for member, params in enumerate(members):
        one = explain(params)
        np.testing.assert_allclose(maps[member], one, atol=1e-5 * np.abs(one).max())
    with pytest.raises(ValueError, match="no guided_relu"):
        jax.vmap(partial(explain, act=jax.nn.relu))(stacked)


ORDINARY = {
    "jax.nn.relu": jax.nn.relu,
    "max(x, 0)": lambda x: jnp.maximum(x, 0),
    "max(0, x)": lambda x: jnp.maximum(jnp.zeros_like(x), x),
    "clip without a top": lambda x: jnp.clip(x, 0),
    "a ReLU that is clipped": lambda x: jnp.minimum(jax.nn.relu(x), 6),
    "relu6": jax.nn.relu6,
    "relu6, scaled": lambda x: jax.nn.relu6(x) * 0.5,
    "clip": lambda x: jnp.clip(x, 0, 4),
    "clamp": lambda x: jax.lax.clamp(0.0, x, 6.0),
    "square": lambda x: jnp.maximum(x, 0) ** 2.0,
}


@pytest.mark.parametrize("act", ORDINARY.values(), ids=ORDINARY)
def test_an_ordinary_relu_next_to_guided_ones_is_a_warning(act: Model) -> None:
    def half_guided(images: jax.Array) -> jax.Array:
        return act(attr.guided_relu(pixels(images)) - 1)

    with warns_of(1) as record:
        maps = attr.guided_backprop(half_guided, IMAGES, 0)
    assert maps.shape == IMAGES.shape
    message = str(record[0].message)
    assert "returns float32[3,420]): put guided_relu in its place" in message
    assert "or jnp.minimum(guided_relu(x), 6) where it has a cap" in message


OTHER = {
    "clip to both signs": lambda x: jnp.clip(x, -1, 1),
    "negative part, scaled": lambda x: 0.1 * jnp.minimum(x, 0),
    "softplus": jax.nn.softplus,
    "gelu": jax.nn.gelu,
    "swish": jax.nn.swish,
    "hard swish": jax.nn.hard_swish,
    "hard sigmoid": jax.nn.hard_sigmoid,
    "softmax": jax.nn.softmax,
    "leaky": jax.nn.leaky_relu,
    "max of two": lambda x: jnp.maximum(x, 1 - x),
    "another floor": lambda x: jnp.maximum(x, 1e-6),
    "integers": lambda x: x[:, jnp.maximum(jnp.arange(x.shape[1]) - 1, 0)],
    "norm": lambda x: x / jnp.linalg.norm(x, axis=1, keepdims=True),
    "layer norm": lambda x: nn.LayerNorm(use_scale=False, use_bias=False).apply({}, x),
    "group norm": lambda x: nn.GroupNorm(2, use_scale=False, use_bias=False).apply({}, x),
    "max pool": lambda x: pixels(nn.max_pool(x[..., None, None], (2, 1))),
}


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_other_functions_are_no_relus(other: Model) -> None:
    def model(images: jax.Array) -> jax.Array:
        return attr.guided_relu(other(attr.guided_relu(pixels(images)) - 1))

    with warns_of_nothing():
        attr.check_guided(model, IMAGES)


def test_the_check_traces_and_runs_nothing() -> None:
    ran = []

    def model(images: jax.Array) -> jax.Array:
        jax.debug.callback(lambda: ran.append(1))
        return attr.guided_relu(pixels(images))

    attr.check_guided(model, IMAGES)
    jax.jit(lambda images: attr.check_guided(model, images))(IMAGES)
    jax.effects_barrier()
    assert not ran
