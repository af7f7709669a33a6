from operator import itemgetter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxens.metrics.sanity import parameter_randomization, randomize, spearman
from tests.metrics.cases import BROKEN_VALUES, SIZES, broken, random_map

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(4, 12, 15, 3)).astype(np.float32)
LAYERS = ["head", "trunk/top", "trunk/bottom"]


def draw_params(*lead):
    def draw(*shape):
        return RNG.normal(size=(*lead, *shape)).astype(np.float32)

    return {
        "head": {"kernel": draw(8), "bias": draw(8)},
        "trunk": {"bottom": {"kernel": draw(3, 8)}, "top": {"kernel": draw(8, 8)}},
    }


def features(params, images):
    bottom = jnp.tanh(images @ params["trunk"]["bottom"]["kernel"])
    return jnp.tanh(bottom @ params["trunk"]["top"]["kernel"])


def maps_of(params):
    """The contribution of each pixel to the logit."""
    return features(params, IMAGES) @ params["head"]["kernel"]


def edges(params):
    """A map that does not depend on the model."""
    return jnp.abs(IMAGES).sum(-1)


@pytest.mark.parametrize("levels", [None, 2, 5])
@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_spearman_equals_scipy_with_and_without_ties(size, levels):
    a = random_map(size, signed=True)
    b = a + random_map(size, seed=1, signed=True)
    if levels:
        a, b = np.round(a), np.floor(levels * random_map(size, seed=1))
    expected = stats.spearmanr(a.ravel(), b.ravel()).statistic
    np.testing.assert_allclose(spearman(a, b), expected, atol=1e-5)


def test_spearman_keeps_its_precision_on_large_maps():
    a = random_map((224, 224), signed=True)
    b = a + 3 * random_map((224, 224), seed=1, signed=True)
    expected = stats.spearmanr(a.ravel(), b.ravel()).statistic
    np.testing.assert_allclose(spearman(a, b), expected, atol=1e-5)


def test_spearman_depends_only_on_the_order_of_the_values():
    map = random_map((9, 12), signed=True)
    order = np.argsort(np.argsort(map, axis=None)).reshape(map.shape)
    assert float(spearman(map, order)) == pytest.approx(1, abs=1e-6)
    assert float(spearman(map, -order)) == pytest.approx(-1, abs=1e-6)


def test_constant_and_broken_maps_have_no_correlation():
    map = random_map((8, 8))
    bad = np.stack([np.full_like(map, 0.1), *(broken(map, value) for value in BROKEN_VALUES)])
    assert np.isnan(spearman(map, bad)).all()
    assert np.isnan(spearman(bad, map)).all()
    assert not np.isnan(spearman(map, map))


def test_spearman_broadcasts_and_maps_over_leading_axes():
    a, b = random_map((9, 11), 3, 4), random_map((9, 11), 4, seed=1)
    scores = spearman(a, b)
    each = [
        [stats.spearmanr(m.ravel(), n.ravel()).statistic for m, n in zip(member, b, strict=True)]
        for member in a
    ]
    np.testing.assert_allclose(scores, each, atol=1e-5)
    np.testing.assert_allclose(jax.vmap(spearman, (0, None))(a, b), each, atol=1e-5)


def test_bfloat16_maps_are_compared_in_float32():
    a, b = (jnp.asarray(random_map((40, 40), seed=s), jnp.bfloat16) for s in [0, 1])
    ours = spearman(a, b)
    assert ours.dtype == jnp.float32
    np.testing.assert_array_equal(ours, spearman(a.astype(jnp.float32), b.astype(jnp.float32)))


@pytest.mark.usefixtures("unchecked")
def test_maps_of_different_sizes_raise():
    with pytest.raises(ValueError, match=r"\(4, 6\) and \(6, 4\) differ"):
        spearman(random_map((4, 6)), random_map((6, 4)))


def test_randomizing_a_layer_shuffles_its_arrays_and_keeps_the_rest():
    params = draw_params()
    changed = randomize(params, "trunk/top", jax.random.key(0))
    before, after = params["trunk"]["top"]["kernel"], changed["trunk"]["top"]["kernel"]
    assert (before != after).mean() > 0.9
    np.testing.assert_array_equal(np.sort(before, None), np.sort(after, None))
    assert changed["head"]["bias"] is params["head"]["bias"]
    assert changed["trunk"]["bottom"]["kernel"] is params["trunk"]["bottom"]["kernel"]


def test_a_path_selects_its_subtree_and_no_sibling_with_the_same_prefix():
    params = {"a": [np.arange(9.0), np.arange(9.0)], "ab": np.arange(9.0)}
    changed = randomize(params, "a", jax.random.key(0))
    assert (changed["a"][0] != params["a"][0]).any()
    assert (changed["a"][1] != changed["a"][0]).any()
    np.testing.assert_array_equal(changed["ab"], params["ab"])
    one = randomize(params, "a/1", jax.random.key(0))
    np.testing.assert_array_equal(one["a"][0], params["a"][0])
    np.testing.assert_array_equal(one["a"][1], changed["a"][1])


def test_another_key_gives_another_order():
    params = draw_params()
    first, again, other = (randomize(params, "trunk/top", jax.random.key(s)) for s in [0, 0, 1])
    np.testing.assert_array_equal(first["trunk"]["top"]["kernel"], again["trunk"]["top"]["kernel"])
    assert (first["trunk"]["top"]["kernel"] != other["trunk"]["top"]["kernel"]).any()


def test_each_row_is_for_the_model_randomized_down_to_its_layer():
    params, key = draw_params(), jax.random.key(0)
    result = parameter_randomization(maps_of, params, LAYERS, key)
    original = maps_of(params)
    for k, layer in enumerate(LAYERS):
        params = randomize(params, layer, key)
        for image, map in enumerate(maps_of(params)):
            pairs = [
                (result.signed, original[image], map),
                (result.absolute, np.abs(original[image]), np.abs(map)),
            ]
            for ours, a, b in pairs:
                expected = stats.spearmanr(np.ravel(a), np.ravel(b)).statistic
                np.testing.assert_allclose(ours[k, image], expected, atol=1e-5)


def test_a_map_that_ignores_the_model_stays_at_1_and_one_of_the_model_does_not():
    params, key = draw_params(), jax.random.key(0)
    np.testing.assert_allclose(
        parameter_randomization(edges, params, LAYERS, key).signed, 1, atol=1e-6
    )
    result = parameter_randomization(maps_of, params, LAYERS, key)
    assert (np.abs(result.signed[-1]) < 0.9).all()


def test_randomizing_a_layer_that_the_map_does_not_use_has_no_effect():
    result = parameter_randomization(
        lambda params: features(params, IMAGES).sum(-1),
        draw_params(),
        ["head", "trunk"],
        jax.random.key(0),
    )
    np.testing.assert_allclose(result.signed[0], 1, atol=1e-6)
    assert (result.signed[1] < 0.9).all()


def test_a_map_whose_signs_all_flip_has_correlation_minus_1_and_absolute_1():
    """Shuffling the values 1 and -1 of the only layer swaps them."""
    params = {"sign": np.array([1.0, -1.0], np.float32)}
    key = next(
        key
        for key in map(jax.random.key, range(20))
        if randomize(params, "sign", key)["sign"][0] < 0
    )
    result = parameter_randomization(
        lambda params: params["sign"][0] * IMAGES[..., 0], params, ["sign"], key
    )
    np.testing.assert_allclose(result.signed, -1, atol=1e-6)
    np.testing.assert_allclose(result.absolute, 1, atol=1e-6)


def test_vmap_over_members_under_jit():
    stacked, keys = draw_params(3), jax.random.split(jax.random.key(0), 3)

    def test(params, key):
        return parameter_randomization(maps_of, params, LAYERS, key)

    together = jax.jit(jax.vmap(test))(stacked, keys)
    assert together.signed.shape == (3, len(LAYERS), len(IMAGES))
    for member in range(3):
        alone = test(jax.tree.map(itemgetter(member), stacked), keys[member])
        np.testing.assert_allclose(together.signed[member], alone.signed, atol=1e-3)
        np.testing.assert_allclose(together.absolute[member], alone.absolute, atol=1e-3)


def test_maps_fn_is_called_once_per_layer_and_once_before():
    calls = []

    def counted(params):
        calls.append(params)
        return maps_of(params)

    parameter_randomization(counted, draw_params(), LAYERS, jax.random.key(0))
    assert len(calls) == len(LAYERS) + 1


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("layers", "message"),
    [
        (["tail"], "in 'tail': choose from head, trunk/bottom, trunk/top"),
        (["head", "trun"], "in 'trun'"),
        ([], r"layers is \[\]: give paths"),
        ("head", "layers is 'head': give paths"),
    ],
)
def test_unknown_layers_raise_with_the_known_ones(layers, message):
    with pytest.raises(ValueError, match=message):
        parameter_randomization(maps_of, draw_params(), layers, jax.random.key(0))
