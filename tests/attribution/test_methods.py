"""What holds for every method; a method that joins the table is enrolled."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.targets import Model
from tests.attribution import cases, cnn
from tests.attribution.cases import IMAGES, KEYS, MEMBERS, TARGETS, explain, of_members

every_method = pytest.mark.parametrize("method", attr.METHODS)


@every_method
def test_vmap_over_members_is_a_loop_over_members(method: str) -> None:
    maps = of_members(method, MEMBERS)
    assert maps.shape == (3, *IMAGES.shape[:3])
    for member, params in enumerate(MEMBERS):
        one = explain(method, params)
        np.testing.assert_allclose(maps[member], one, atol=1e-5 * np.abs(one).max())
    assert not np.allclose(maps[0], maps[1])


@pytest.mark.parametrize("method", ["integrated_gradients", "guided_grad_cam", "lime"])
def test_an_ensemble_of_one_is_its_member(method: str) -> None:
    maps = of_members(method, MEMBERS[:1])
    one = explain(method, MEMBERS[0])
    np.testing.assert_allclose(maps, one[None], atol=1e-5 * np.abs(one).max())


@every_method
def test_a_map_is_signed_as_its_method_says(method: str) -> None:
    maps = explain(method, MEMBERS[0])
    assert maps.max() > 0
    assert (maps.min() < 0) == attr.METHODS[method].signed


def unchanged(logits: jax.Array) -> jax.Array:
    return logits


@every_method
def test_no_map_is_normalized(method: str) -> None:
    """Logits twice as large give maps twice as large; a square or a product, four times."""
    doubled = MEMBERS[0] | {name: 2 * MEMBERS[0][name] for name in ("kernel3", "bias3")}
    given = {"probabilities": unchanged} if method == "lime" else {}  # its ridge is linear
    one, two = explain(method, MEMBERS[0], **given), explain(method, doubled, **given)
    factor = 4 if method in ("var_grad", "guided_grad_cam") else 2
    np.testing.assert_allclose(two, factor * one, atol=1e-5 * np.abs(one).max())


@every_method
def test_an_image_is_explained_alike_alone_and_among_others(method: str) -> None:
    together = explain(method, MEMBERS[0])
    alone = explain(method, MEMBERS[0], IMAGES[1:2], TARGETS[1:2], KEYS[1:2])
    np.testing.assert_allclose(alone, together[1:2], atol=1e-5 * np.abs(alone).max())


@every_method
def test_a_map_is_the_methods_own_with_its_channels_reduced(method: str) -> None:
    """`explain` adds no more than the reduction and the size."""
    row, network = attr.METHODS[method], cases.network(MEMBERS[0])

    @jax.jit
    def by_hand(images: jax.Array, keys: jax.Array) -> jax.Array:
        model = [getattr(network, name) for name in row.needs]
        return row.function(*model, images, TARGETS, **cases.settings(method, keys, len(images)))

    own = by_hand(IMAGES, KEYS)
    reduced = attr.REDUCTIONS[row.reduce](own) if row.reduce else own
    expected = attr.resize(reduced, (10, 14))
    maps = explain(method, MEMBERS[0])
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("reduce", attr.REDUCTIONS)
def test_another_reduction_may_be_asked_for(reduce: str) -> None:
    gradients = attr.saliency(partial(cnn.logits, MEMBERS[0]), IMAGES, TARGETS)
    expected = attr.REDUCTIONS[reduce](gradients)
    maps = explain("saliency", MEMBERS[0], reduce=reduce)
    np.testing.assert_allclose(maps, expected, atol=1e-5 * np.abs(expected).max())


def rounded(network: attr.Network) -> attr.Network:
    """A network that computes in float32 from images in bfloat16."""

    def of_images(model: Model) -> Model:
        return lambda images: model(images.astype(jnp.bfloat16).astype(jnp.float32))

    return network._replace(
        logits_fn=of_images(network.logits_fn),
        features_fn=of_images(network.features_fn),
        guided_logits_fn=of_images(network.guided_logits_fn),
    )


@every_method
def test_of_images_in_bfloat16_only_what_the_model_sees_is_rounded(method: str) -> None:
    """So chunks, which are sums in another order, change no more than rounding in float32."""
    coarse = jnp.asarray(IMAGES, jnp.bfloat16)
    settings = cases.settings(method, KEYS, len(IMAGES))
    if method == "gradient_shap":
        settings["baselines"] = np.asarray(jnp.asarray(cases.BACKGROUND, jnp.bfloat16), np.float32)

    @partial(jax.jit, static_argnames="chunk")
    def explain(images: jax.Array, chunk: int | None = None) -> jax.Array:
        given = settings | ({"chunk": chunk} if chunk else {})
        return attr.attribute(method, rounded(cases.network(MEMBERS[0])), images, TARGETS, **given)

    exact = explain(coarse.astype(jnp.float32))
    maps = explain(coarse, chunk=3 if "chunk" in attr.METHODS[method].settings else None)
    assert maps.dtype == jnp.float32
    np.testing.assert_allclose(maps, exact, atol=1e-5 * np.abs(exact).max())


STRICT = [(method, {}) for method in attr.METHODS if method != "lime"]
STRICT += [("lime", {"variant": variant}) for variant in attr.VARIANTS]


@pytest.mark.parametrize("x64", [False, True])
@pytest.mark.parametrize(("method", "given"), STRICT, ids=str)
def test_methods_promote_nothing_by_themselves(
    method: str, given: dict[str, object], x64: bool
) -> None:
    """As Equinox's tests ask: neither types nor ranks; the model may, since it is the user's."""

    def as_it_likes(function: Model) -> Model:
        def model(images: jax.Array) -> jax.Array:
            with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
                return function(images)

        return model

    network = attr.Network(*map(as_it_likes, cases.network(MEMBERS[0])))
    settings = cases.settings(method, KEYS, len(IMAGES)) | given
    with (
        jax.enable_x64(x64),
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
    ):
        maps = jax.eval_shape(lambda: attr.attribute(method, network, IMAGES, TARGETS, **settings))
    assert maps.dtype == jnp.float32


@every_method
@pytest.mark.usefixtures("unchecked")
def test_no_image_is_an_error(method: str) -> None:
    settings = cases.settings(method, KEYS[:0], 0)
    with pytest.raises(ValueError, match=r"images has shape \(0, 10, 14, 3\).*at least one image"):
        attr.attribute(method, cases.network(MEMBERS[0]), IMAGES[:0], 1, **settings)


@pytest.mark.parametrize("method", ["saliency", "lime"])
@pytest.mark.usefixtures("unchecked")
def test_lists_are_taken_for_arrays(method: str) -> None:
    settings = cases.settings(method, KEYS, len(IMAGES))
    lists = {name: np.asarray(settings[name]).tolist() for name in settings if name == "segments"}

    @partial(jax.jit, static_argnums=0)
    def explain(of_lists: bool) -> jax.Array:
        images, targets = (IMAGES.tolist(), TARGETS.tolist()) if of_lists else (IMAGES, TARGETS)
        given = settings | (lists if of_lists else {})
        return attr.attribute(method, cases.network(MEMBERS[0]), images, targets, **given)

    np.testing.assert_array_equal(explain(True), explain(False))


@pytest.mark.parametrize("key", [0, [0, 1], np.zeros(2, int), np.zeros((3, 3), np.uint32)], ids=str)
@pytest.mark.parametrize("method", [n for n, row in attr.METHODS.items() if "key" in row.settings])
@pytest.mark.usefixtures("unchecked")
def test_what_is_no_random_key_is_refused(method: str, key: object) -> None:
    settings = cases.settings(method, KEYS, len(IMAGES)) | {"key": key}
    with pytest.raises(ValueError, match=r"not a random key: give jax\.random\.key\(0\)"):
        attr.attribute(method, cases.network(MEMBERS[0]), IMAGES, 1, **settings)


def test_settings_reach_their_method() -> None:
    model = partial(cnn.logits, MEMBERS[0])
    given = {"baselines": 1.0, "steps": 3, "quadrature": "riemann_left", "chunk": 1}
    expected = attr.integrated_gradients(model, IMAGES, TARGETS, **given).sum(-1)
    maps = explain("integrated_gradients", MEMBERS[0], **given)
    np.testing.assert_allclose(maps, expected, atol=1e-5)


@every_method
def test_the_table_tells_what_a_method_takes(method: str) -> None:
    row = attr.METHODS[method]
    assert row.needs
    assert set(row.per_image) <= set(row.settings)
    assert row.reduce is None or row.reduce in attr.REDUCTIONS
    assert row.title
    assert row.source


def test_grad_cam_is_resized_bilinearly() -> None:
    halves = (partial(cnn.features, MEMBERS[0]), partial(cnn.head, MEMBERS[0]))
    coarse = attr.grad_cam(*halves, IMAGES, TARGETS)
    assert coarse.shape == (3, 3, 4)
    expected = attr.resize(coarse, (10, 14), "bilinear")
    np.testing.assert_allclose(explain("grad_cam", MEMBERS[0]), expected, atol=1e-6)


def test_mistakes_are_named_with_their_remedy() -> None:
    network = cases.network(MEMBERS[0])

    def refused(match: str, method: str, network: attr.Network = network, **given: object) -> None:
        with pytest.raises(ValueError, match=match):
            attr.attribute(method, network, IMAGES, TARGETS, **given)

    refused("unknown method 'lrp': choose from saliency, input_x", "lrp")
    refused("gradient_shap needs key and baselines", "gradient_shap")
    refused("lime needs segments", "lime", key=KEYS)
    refused("saliency has no setting steps: it takes none", "saliency", steps=3)
    refused("no setting samples: it takes baselines", "integrated_gradients", samples=3)
    refused("unknown reduction 'mean': choose from sum", "saliency", reduce="mean")
    refused("grad_cam has no channels to reduce", "grad_cam", reduce="sum")
    only_logits = attr.Network(logits_fn=network.logits_fn)
    refused("grad_cam needs features_fn, head_fn", "grad_cam", only_logits)
    refused("guided_backprop needs guided_logits_fn", "guided_backprop", only_logits)


@every_method
def test_help_describes_a_method_by_its_name(method: str) -> None:
    function = attr.METHODS[method].function
    assert function.__name__ == method
    assert "Returns" in str(function.__doc__)
