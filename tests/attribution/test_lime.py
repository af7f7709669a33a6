import itertools
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.attribution.lime import lime, lime_draws, lime_from_draws, lime_weights
from jaxens.attribution.lime_variants import VARIANTS
from jaxens.attribution.segments import segments_to_map
from jaxens.targets import Contrast, Model
from tests.attribution import cnn
from tests.attribution.lime_cases import COUNT, IMAGES, KEY, KEYS, MASKS, SEGMENTS

pytestmark = pytest.mark.slow

STATIC = ("variant", "chunk", "fill")


@pytest.fixture(scope="session")
def explain(network: Model) -> Callable[..., jax.Array]:
    return jax.jit(partial(lime_from_draws, network), static_argnames=("variant", "chunk", "fill"))


@pytest.fixture(scope="session")
def fit(network: Model) -> Callable[..., jax.Array]:
    return jax.jit(partial(lime_weights, network), static_argnames="variant")


class Spy:
    """The network, and every image that it was shown."""

    def __init__(self, network: Model) -> None:
        self.network, self.seen = network, []

    def __call__(self, images: jax.Array) -> jax.Array:
        self.seen.append(images)
        return self.network(images)


def unchanged(logits: jax.Array) -> jax.Array:
    """Instead of a softmax: variants that explain a probability explain the logit."""
    return logits


def effects_of_segments(images: jax.Array, effects: np.ndarray) -> jax.Array:
    """Two numbers, linear in the mean of each 5 x 7 corner's first channel."""
    corners = images[..., 0].reshape(-1, 2, 5, 2, 7).mean(axis=(2, 4))
    return corners.reshape(-1, 4) @ effects


def test_a_model_linear_in_the_segments_gets_its_coefficients() -> None:
    """Up to the ridge's penalty, which counts little with so many samples."""
    effects = np.array([[3.0, 1], [-2, 1], [0, 1], [0.5, 1]], np.float32)
    masks = np.tile(list(itertools.product((False, True), repeat=4)), (400, 1))
    images, segments = IMAGES[:1], SEGMENTS[:1]
    weights = lime_weights(
        partial(effects_of_segments, effects=effects),
        images,
        segments,
        masks[None],
        fill=0.5,
        probabilities=unchanged,
    )
    corners = images[0, ..., 0].reshape(2, 5, 2, 7).mean(axis=(1, 3)).reshape(4, 1)
    expected = effects * (corners - 0.5)
    np.testing.assert_allclose(weights[0], expected, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_segment_alone_is_told_for_or_against(variant: str) -> None:
    def model(images: jax.Array) -> jax.Array:
        brightness = images.mean(axis=(1, 2, 3))
        return jnp.stack([brightness, -brightness], axis=1)

    bright, segments = np.ones_like(IMAGES), np.zeros_like(SEGMENTS)
    settings = {"segments": segments, "samples": 20, "variant": variant, "fill": 0.0}
    explain = jax.jit(partial(lime, model, key=KEY, **settings))
    maps = np.array(explain(bright, np.array([0, 1, 0])))
    np.testing.assert_array_equal(maps, np.broadcast_to(maps[:, :1, :1], maps.shape))
    np.testing.assert_array_equal(np.sign(maps[:, 0, 0]), [1, -1, 1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_lime_explains_as_many_draws_as_the_form_has(variant: str) -> None:
    """The model is as cheap as can be: variants have up to 1000 samples."""

    def model(images: jax.Array) -> jax.Array:
        return images[:, :2, :3, 0].reshape(-1, 6) + images[:, -2:, -3:, 0].reshape(-1, 6)

    @jax.jit
    def explain() -> tuple[jax.Array, jax.Array]:
        masks = lime_draws(KEY, SEGMENTS, VARIANTS[variant].samples, variant)
        return (
            lime(model, IMAGES, 2, segments=SEGMENTS, key=KEY, variant=variant),
            lime_from_draws(model, IMAGES, 2, SEGMENTS, masks, variant=variant),
        )

    ours, expected = explain()
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(ours, expected, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_an_image_does_not_depend_on_the_others(
    explain: Callable[..., jax.Array], variant: str
) -> None:
    maps = explain(IMAGES, 2, SEGMENTS, MASKS, variant=variant)
    images, segments, masks = (
        np.stack([own[0], other[2], other[1]])
        for own, other in ((IMAGES, 3 * IMAGES), (SEGMENTS, SEGMENTS), (MASKS, ~MASKS))
    )
    among_others = explain(images, 2, segments, masks, variant=variant)
    np.testing.assert_allclose(among_others[0], maps[0], atol=1e-6 * np.abs(maps).max())
    assert np.abs(among_others[1:] - maps[1:]).max() > 0.1 * np.abs(maps).max()


def test_room_for_more_labels_and_more_images_changes_nothing(network: Model) -> None:
    @partial(jax.jit, static_argnames="count")
    def explain(images: jax.Array, segments: jax.Array, key: jax.Array, count: int) -> jax.Array:
        settings = {"samples": 40, "segment_count": count}
        return lime(network, images, 2, segments=segments, key=key, **settings)

    together = explain(IMAGES, SEGMENTS, KEYS, 20)
    alone = explain(IMAGES[:1], SEGMENTS[:1], KEYS[:1], 4)
    np.testing.assert_allclose(alone[0], together[0], atol=1e-5 * np.abs(together).max())


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_label_without_pixels_has_no_weight_and_no_influence(
    fit: Callable[..., jax.Array], variant: str
) -> None:
    """Four labels out of nine: how they are called, and what else is masked, changes nothing."""
    four = np.stack([SEGMENTS[0]] * 3)
    names = np.array([1, 2, 8, 5, 0, 3, 4, 6, 7])
    weights = np.array(fit(IMAGES, names[four], MASKS, variant=variant))
    assert not weights[:, names[4:]].any()
    masks = MASKS[..., names]
    masks[..., 4:] = ~masks[..., 4:]
    expected = fit(IMAGES, four, masks, variant=variant)[:, :4]
    assert np.abs(expected).max() > 1e-4
    np.testing.assert_allclose(weights[:, names[:4]], expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("chunk", [7, 20, 90])
def test_the_chunk_changes_nothing(explain: Callable[..., jax.Array], chunk: int) -> None:
    chunked = explain(IMAGES, 1, SEGMENTS, MASKS, chunk=chunk)
    np.testing.assert_allclose(chunked, explain(IMAGES, 1, SEGMENTS, MASKS), atol=1e-6)


@pytest.mark.parametrize(("chunk", "calls"), [(None, 1), (40, 1), (16, 3), (7, 6)])
def test_the_model_sees_each_sample_once_for_all_classes(
    network: Model, chunk: int | None, calls: int
) -> None:
    spy = Spy(network)
    weights = jax.eval_shape(partial(lime_weights, spy, chunk=chunk), IMAGES, SEGMENTS, MASKS)
    assert weights.shape == (3, COUNT, cnn.CLASSES)
    assert len(spy.seen) == calls
    assert sum(map(len, spy.seen)) == 3 * 40


def shown(network: Model, fill: object, **settings: object) -> tuple[np.ndarray, np.ndarray]:
    """What the model sees of each image, and where it is the image: [image, sample, ...]."""
    spy = Spy(network)
    lime_from_draws(spy, IMAGES, 0, SEGMENTS, MASKS, fill=fill, **settings)
    kept = np.stack([MASKS[image][:, SEGMENTS[image]] for image in range(3)])
    return np.array(spy.seen[0]).reshape(3, 40, 10, 14, 3), kept


@pytest.mark.parametrize(
    ("fill", "variant"),
    [
        ("image", "marcotcr"),
        (0.3, "marcotcr"),
        (None, "captum"),
        (np.array([1.0, -2, 0.5]), "marcotcr"),
        (cnn.sample_images(3, seed=5), "captum"),
    ],
    ids=str,
)
def test_hidden_segments_get_the_fill(network: Model, fill: object, variant: str) -> None:
    points, kept = shown(network, fill, variant=variant)
    if isinstance(fill, str):
        fill = IMAGES.mean(axis=(1, 2), keepdims=True)
    colors = np.broadcast_to(0.0 if fill is None else fill, IMAGES.shape)
    expected = np.where(kept[..., None], IMAGES[:, None], colors[:, None])
    np.testing.assert_allclose(points, expected, atol=1e-6)


@pytest.mark.parametrize("fill", ["segment", None])
def test_hidden_segments_have_their_own_mean(network: Model, fill: str | None) -> None:
    points, kept = shown(network, fill)
    for image, sample in itertools.product(range(3), (0, 1, 39)):
        for label in range(SEGMENTS[image].max() + 1):
            where = SEGMENTS[image] == label
            inside, original = points[image, sample][where], IMAGES[image][where]
            whole = kept[image, sample][where].all()
            expected = original if whole else np.broadcast_to(original.mean(0), original.shape)
            np.testing.assert_allclose(inside, expected, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_weights_of_all_classes_paint_the_map_of_each(
    fit: Callable[..., jax.Array], explain: Callable[..., jax.Array], variant: str
) -> None:
    weights = fit(IMAGES, SEGMENTS, MASKS, variant=variant)
    assert np.abs(weights).max() > 1e-4
    for label in range(cnn.CLASSES):
        maps = explain(IMAGES, label, SEGMENTS, MASKS, variant=variant)
        painted = segments_to_map(weights[..., label], SEGMENTS)
        np.testing.assert_allclose(painted, maps, atol=1e-5 * np.abs(maps).max())


def test_a_contrast_is_the_difference_of_two_ridges(explain: Callable[..., jax.Array]) -> None:
    classes = np.array([4, 0, 1])
    contrast = explain(IMAGES, Contrast(classes, 3), SEGMENTS, MASKS)
    one, other = (explain(IMAGES, target, SEGMENTS, MASKS) for target in (classes, 3))
    np.testing.assert_allclose(contrast, one - other, atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_all_forms_but_captums_explain_probabilities(network: Model, variant: str) -> None:
    """The sum of all probabilities never varies, so nothing speaks for or against it."""

    def everything(values: jax.Array) -> jax.Array:
        return values.sum(axis=1)

    explain = partial(lime_from_draws, network, targets=everything, variant=variant)
    maps = jax.jit(explain)(IMAGES, segments=SEGMENTS, masks=MASKS)
    assert (np.abs(maps).max() > 0.01) == (variant == "captum")


def test_members_give_under_vmap_what_each_gives_alone(params: cnn.Params) -> None:
    others = [cnn.random_params(seed=seed) for seed in (1, 2)]
    members = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, *others, params)

    @jax.jit
    def explain(params: cnn.Params) -> jax.Array:
        model = partial(cnn.logits, params)
        return lime_from_draws(model, IMAGES, 2, SEGMENTS, MASKS, chunk=15)

    maps = jax.jit(jax.vmap(explain))(members)
    for member, alone in enumerate([params, *others]):
        np.testing.assert_allclose(maps[member], explain(alone), atol=1e-6)
    np.testing.assert_allclose(maps[3], maps[0], atol=1e-7)
    assert np.abs(maps[1] - maps[0]).max() > 1e-3


def test_members_share_the_perturbed_images(params: cnn.Params) -> None:
    """Outside of `jit`, what `vmap` maps over is traced, and what all members share is not."""
    members = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    traced = []

    def explain(params: cnn.Params) -> jax.Array:
        def model(images: jax.Array) -> jax.Array:
            traced.append(isinstance(images, jax.core.Tracer))
            return cnn.logits(params, images)

        return lime_from_draws(model, IMAGES[:1], 2, SEGMENTS[:1], MASKS[:1, :6], chunk=2)

    jax.vmap(explain)(members)
    assert traced == [False, False, False]


def test_each_member_can_have_its_own_images_too(explain: Callable[..., jax.Array]) -> None:
    images = np.stack([IMAGES, IMAGES[::-1]])
    together = jax.vmap(lambda images: explain(images, 2, SEGMENTS, MASKS, chunk=15))(images)
    alone = [explain(some, 2, SEGMENTS, MASKS) for some in images]
    np.testing.assert_allclose(together, jnp.stack(alone), atol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_member_that_diverged_has_nan_maps(variant: str) -> None:
    def diverged(images: jax.Array) -> jax.Array:
        return jnp.full((len(images), 2), jnp.nan)

    explain = jax.jit(partial(lime_from_draws, diverged, variant=variant))
    assert np.isnan(explain(IMAGES, 1, SEGMENTS, MASKS)).all()


def test_sums_over_images_in_bfloat16_are_exact_enough(network: Model) -> None:
    """Only the images that the model sees are rounded."""
    rounded = jnp.asarray(IMAGES, jnp.bfloat16)
    ours = lime_from_draws(
        lambda images: network(images.astype(jnp.float32)), rounded, 2, SEGMENTS, MASKS, fill=0.0
    )
    exact = lime_from_draws(network, rounded.astype(jnp.float32), 2, SEGMENTS, MASKS, fill=0.0)
    np.testing.assert_allclose(ours, exact, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"variant": "original"},
            "unknown variant 'original': choose from marcotcr, captum",
        ),
        ({"samples": 1}, "samples is 1: give at least 2"),
        ({"fill": "black"}, "unknown fill 'black': choose segment, image, or give a color"),
        ({"fill": np.zeros(4)}, r"fill has shape \(4,\).*\(3, 10, 14, 3\)"),
        ({"fill": np.nan}, "fill contains NaN or infinity"),
        (
            {"variant": "captum", "probabilities": jax.nn.sigmoid},
            "the variant 'captum' explains logits: leave probabilities out, or choose one of "
            "marcotcr",
        ),
        ({"chunk": 0}, "chunk is 0: give at least 1"),
        ({"segments": SEGMENTS[:2]}, r"segments has shape \(2, 10, 14\).*\(3, 10, 14\)"),
        ({"segments": SEGMENTS - 1}, "segments has the label -1"),
        ({"segments": SEGMENTS / 2}, "segments has type float64"),
        ({"segments": np.where(SEGMENTS == 8, 10**6, SEGMENTS)}, "only 9 segments: number them"),
        ({"segment_count": 8}, "segments has the label 8, but room for 8"),
        ({"key": KEYS[:2]}, r"key has shape \(2,\) for 3 images"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_settings_that_make_no_sense_are_refused(
    network: Model, settings: dict[str, object], message: str
) -> None:
    settings = {"key": KEY, "segments": SEGMENTS, "samples": 4} | settings
    with pytest.raises(ValueError, match=message):
        lime(network, IMAGES, 1, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("settings", [{}, {"probabilities": jax.nn.softmax}])
def test_the_softmax_of_one_logit_is_refused(network: Model, settings: dict[str, Model]) -> None:
    def one_logit(images: jax.Array) -> jax.Array:
        return network(images)[:, :1]

    def explain(images: jax.Array) -> jax.Array:
        return lime_from_draws(one_logit, images, 0, SEGMENTS, MASKS, **settings)

    for call in (explain, jax.jit(explain)):
        with pytest.raises(ValueError, match=r"one logit, .* give probabilities=jax\.nn\.sigmoid"):
            call(IMAGES)
    for given in ({"probabilities": jax.nn.sigmoid}, {"variant": "captum"}):
        assert np.ptp(lime_from_draws(one_logit, IMAGES, 0, SEGMENTS, MASKS, **given)) > 1e-3


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("masks", [MASKS[:2], MASKS[0], MASKS[:, :0]])
def test_masks_that_do_not_match_are_refused(network: Model, masks: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"masks has shape .* for 3 images"):
        lime_from_draws(network, IMAGES, 1, SEGMENTS, masks)


def test_traced_segments_need_a_count(network: Model) -> None:
    explain = jax.jit(lambda segments: lime(network, IMAGES, 1, segments=segments, key=KEY))
    with pytest.raises(ValueError, match=r"segments is traced.*give segment_count"):
        explain(SEGMENTS)
