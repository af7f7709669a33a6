"""A model is split behind its affine beginning, and nowhere else, without a change of its maps."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec as P

from jaxens import attribution as attr
from jaxens.attribution import affine
from jaxens.ops import conv_general_dilated, max_pool
from tests.reference import twins

IMAGES = jnp.asarray(twins.sample_images(3))
TARGETS = jnp.array([0, 1, 1])  # which tell an image from its neighbours
RNG = np.random.default_rng(0)
KERNEL = jnp.asarray(RNG.normal(size=(3, 3, 3, 5)), jnp.float32)
HEAD = jnp.asarray(RNG.normal(size=(8, 4)), jnp.float32)
BIAS = jnp.arange(5.0) / 5
Model = Callable[[jax.Array], jax.Array]


def convolved(
    images: jax.Array, conv: Callable[..., jax.Array] = conv_general_dilated
) -> jax.Array:
    numbers = ("NHWC", "HWIO", "NHWC")
    return conv(images, KERNEL, (2, 2), "SAME", dimension_numbers=numbers)


def answered(features: jax.Array) -> jax.Array:
    return jnp.tanh(features).mean(axis=(1, 2)) @ HEAD[: features.shape[-1]]


def network(images: jax.Array) -> jax.Array:
    return answered(max_pool(jax.nn.relu(convolved((images - 0.4) / 0.2) * BIAS + BIAS), 2, 2))


def around(images: jax.Array) -> jax.Array:
    halves = convolved(images, lax.conv_general_dilated), images[:, ::2, ::2]
    return answered(jax.nn.relu(jnp.concatenate(halves, axis=-1)))


def channels_first(images: jax.Array) -> jax.Array:
    x = jnp.pad(images.transpose(0, 3, 1, 2), [(0, 0), (0, 0), (1, 1), (1, 1)])
    x = lax.conv_general_dilated(x, KERNEL.transpose(3, 2, 0, 1), (1, 1), "VALID")
    return answered(jax.nn.relu(x).transpose(0, 2, 3, 1))


def picked(images: jax.Array) -> jax.Array:
    rows = [images[:, jnp.array([3, 0, 2])], lax.dynamic_slice_in_dim(images, 1, 3, axis=1)]
    return answered(jnp.stack(rows, axis=3).reshape(len(images), 3, -1, 6))


def per_image(images: jax.Array) -> jax.Array:
    # `vmap` of a product puts images last.
    rows = jax.vmap(lambda image: jnp.ones((4, image.shape[0])) @ image.reshape(len(image), -1))
    return answered(jnp.tanh(rows(images).reshape(len(images), 4, -1, 3)))


SPLIT: dict[str, Model] = {
    "a convolution of ours": network,
    "a jitted model": jax.jit(network),
    "two ways from the images": around,
    "channels first": channels_first,
    "rows that are picked and stacked": picked,
    "a product of each image": per_image,
    "images put last and back": lambda x: answered(
        jnp.tanh(x.T.reshape(3, -1, len(x)).T[..., None])
    ),
    "all of it": lambda images: convolved(images).mean(axis=(1, 2)) @ HEAD[:5],
}


@jax.custom_vjp
def clipped(x: jax.Array) -> jax.Array:
    return 2.0 * x


clipped.defvjp(lambda x: (2.0 * x, None), lambda _, slopes: (jnp.clip(2.0 * slopes, -0.01, 0.01),))


@jax.custom_vjp
def saturating(x: jax.Array) -> jax.Array:
    return 2.0 * x


saturating.defvjp(lambda x: (2.0 * x, x), lambda x, slopes: (slopes * (x > 0.3),))


@jax.custom_jvp
def both(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    return 2.0 * x, jnp.tanh(x)


both.defjvp(lambda x, t: (both(*x), (2.0 * t[0], t[0] * (1 - jnp.tanh(x[0]) ** 2))))


def printing(images: jax.Array) -> jax.Array:
    jax.debug.callback(lambda _: None, images[0, 0, 0, 0])
    return network(images)


WHOLE: dict[str, Model] = {
    "squares": lambda images: answered(images**2),
    "a product of the images": lambda images: answered(images * images[:, ::-1]),
    "a share": lambda images: answered(1.0 / (images + 9.0)),
    "the images behind a convolution": lambda x: answered(convolved(x)) + answered(x**2),
    "all images at once": lambda images: answered(images**2) / (2.0 + images.sum()),
    "rounded": lambda images: answered(convolved(images.astype(jnp.bfloat16).astype(jnp.float32))),
    "a derivative that looks at the point": lambda images: answered(saturating(images)),
    "a call of two kinds": lambda images: answered(sum(both(images))),
    "a callback": printing,
    "a derivative that is clipped": lambda images: answered(clipped(images)),
    "images that trade places": lambda x: jnp.roll(
        answered(jnp.roll(2 * x, 1, axis=0)), -1, axis=0
    ),
    "images in reverse": lambda images: answered(2 * images[::-1])[::-1],
    "images that are picked": lambda x: answered((2 * x)[::-1][jnp.arange(len(x))])[::-1],
    "images pushed along": lambda x: answered(jnp.concatenate([x[1:], x[:1]])[::-1])[::-1],
    "images among pixels": lambda images: answered(
        jnp.roll((2 * images).reshape(-1, *images.shape[2:]), 1, axis=0).reshape(images.shape)
    ),
    "pictures last": lambda images: answered(
        jnp.tanh((2 * images).transpose(1, 2, 3, 0)).transpose(3, 0, 1, 2)
    ),
}


def maps(model: Model, chunk: int | None = None) -> jax.Array:
    explain = partial(attr.integrated_gradients, model, baselines=-0.3, steps=6, chunk=chunk)
    return jax.jit(explain)(IMAGES, TARGETS)


def parts(model: Model) -> list[jax.Array]:
    found = []

    def look(images: jax.Array) -> jax.Array:
        before, behind = affine.split(model, images, {2})
        found.extend(before(images))
        return behind(before(images))

    np.testing.assert_allclose(jax.jit(look)(IMAGES), model(IMAGES), rtol=1e-5, atol=1e-5)
    return found


@pytest.mark.parametrize("chunk", [None, 4])
@pytest.mark.parametrize("name", SPLIT | WHOLE)
def test_maps_are_those_of_the_whole_model(name: str, chunk: int | None, monkeypatch) -> None:
    model = (SPLIT | WHOLE)[name]
    found = maps(model, chunk)
    whole = lambda images: [images], lambda parts: model(parts[0])
    monkeypatch.setattr(affine, "split", lambda *_: whole)
    np.testing.assert_allclose(found, maps(model, chunk), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SPLIT)
def test_what_is_affine_is_split_off(name: str) -> None:
    shapes = [part.shape for part in parts(SPLIT[name])]
    assert shapes != [IMAGES.shape]
    assert all(shape[0] == len(IMAGES) for shape in shapes)


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_not_stays_whole(name: str) -> None:
    assert [part.shape for part in parts(WHOLE[name])] == [IMAGES.shape]


def test_the_affine_part_is_not_computed_at_every_point() -> None:
    def convolutions(steps: int) -> list[int]:
        explain = partial(attr.integrated_gradients, around, steps=steps)
        text = jax.jit(explain).lower(IMAGES, 1).as_text()
        lines = [line for line in text.splitlines() if "stablehlo.convolution" in line]
        return [int(line.split("tensor<")[1].split("x")[0]) for line in lines]

    assert convolutions(20)
    assert max(convolutions(20)) == len(IMAGES)


def test_a_model_of_several_outputs_is_refused_as_ever() -> None:
    with pytest.raises(ValueError, match="returned a tuple"):
        maps(lambda images: (convolved(images).mean(axis=(1, 2)), network(images)))


def test_it_works_in_shard_map() -> None:
    mesh = jax.make_mesh((1,), ("image",), axis_types=(jax.sharding.AxisType.Auto,))
    explain = partial(attr.integrated_gradients, around, targets=1, steps=6)
    split = jax.shard_map(explain, mesh=mesh, in_specs=P("image"), out_specs=P("image"))
    np.testing.assert_allclose(
        jax.jit(split)(IMAGES), jax.jit(explain)(IMAGES), rtol=1e-4, atol=1e-5
    )


def test_one_image_without_a_map_leaves_the_others_theirs() -> None:
    one = maps(network)
    explain = partial(attr.integrated_gradients, network, baselines=-0.3, steps=6)
    broken = jax.jit(explain)(IMAGES.at[1, 0, 0, 0].set(jnp.nan), TARGETS)
    assert np.isnan(broken[1]).all()
    np.testing.assert_allclose(broken[::2], one[::2], rtol=1e-4, atol=1e-5)


def test_a_member_that_diverged_has_no_map() -> None:
    explained = maps(lambda images: network(images) * jnp.nan)
    assert np.isnan(explained).all()


def test_a_model_that_is_not_traced_is_called_as_it_is() -> None:
    before, _ = affine.split(network, IMAGES, {2})
    assert before(IMAGES)[0] is IMAGES


def test_members_under_vmap_keep_their_own_maps() -> None:
    def explain(scale: jax.Array) -> jax.Array:
        return attr.integrated_gradients(lambda x: network(scale * x), IMAGES * 1.0, 1, steps=6)

    scales = jnp.asarray([1.0, 0.5])
    together = jax.jit(jax.vmap(explain))(scales)
    one_by_one = [maps_of(scale) for scale in scales]
    np.testing.assert_allclose(together, np.stack(one_by_one), rtol=1e-4, atol=1e-5)


def maps_of(scale: jax.Array) -> jax.Array:
    return attr.integrated_gradients(lambda x: network(scale * x), IMAGES, 1, steps=6)
