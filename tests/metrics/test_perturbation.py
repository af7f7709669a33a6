import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.attribution import Contrast
from jaxens.metrics import blur, deletion, insertion
from tests.metrics.cases import BROKEN_VALUES, broken, random_map

pytestmark = pytest.mark.slow

SIZE = HEIGHT, WIDTH = 6, 9
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, *SIZE, 2)).astype(np.float32)
WEIGHTS = RNG.normal(size=(*SIZE, 2, 4)).astype(np.float32) / 4
MAPS = random_map(SIZE, 3, signed=True)
TARGETS = np.array([0, 3, 1])
ONE_BROKEN = IMAGES * np.where(np.arange(3) == 1, np.nan, 1).astype(np.float32)[:, None, None, None]
PERTURBATIONS = [insertion, deletion]


def network(images):
    images = images.astype(jnp.float32)
    return jnp.tanh(jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)) * 2


def linear(images):
    return jnp.einsum("nhwc,hwck->nk", images, WEIGHTS)


def plain_curve(start, finish, map, target, pixels_per_step):
    """The curve and area of one image, written like RISE's `CausalMetric.single_run`."""
    order = np.argsort(-map.ravel(), kind="stable")
    current, probabilities = start.copy(), []
    for first in range(0, map.size + 1, pixels_per_step):
        logits = np.asarray(network(current[None]), np.float64)[0]
        probabilities.append(np.exp(logits[target]) / np.exp(logits).sum())
        rows, columns = np.divmod(order[first : first + pixels_per_step], WIDTH)
        current[rows, columns] = finish[rows, columns]
    scores = np.array(probabilities)
    return scores, (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


@pytest.mark.parametrize("maps", [MAPS, np.round(MAPS)], ids=["distinct", "tied"])
@pytest.mark.parametrize("pixels_per_step", [1, 6, 27])
@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_the_curve_and_its_area_equal_a_loop_that_changes_pixels_one_step_at_a_time(
    perturb, pixels_per_step, maps
):
    baselines = RNG.normal(size=IMAGES.shape).astype(np.float32)
    steps = HEIGHT * WIDTH // pixels_per_step
    ours = perturb(network, IMAGES, maps, TARGETS, baselines, steps=steps)
    for image in range(3):
        ends = [baselines[image], IMAGES[image]]
        start, finish = ends if perturb is insertion else ends[::-1]
        values, area = plain_curve(start, finish, maps[image], TARGETS[image], pixels_per_step)
        np.testing.assert_allclose(ours.values[image], values, rtol=1e-4)
        np.testing.assert_allclose(ours.auc[image], area, rtol=1e-4)
    np.testing.assert_allclose(ours.fractions, np.arange(steps + 1) / steps, rtol=1e-6)


def test_insertion_starts_from_the_blurred_image_and_deletion_ends_at_zero():
    probabilities = jax.nn.softmax(network(IMAGES))[:, 1]
    inserted = insertion(network, IMAGES, MAPS, 1)
    deleted = deletion(network, IMAGES, MAPS, 1)
    np.testing.assert_allclose(inserted.values[:, -1], probabilities, rtol=1e-5)
    np.testing.assert_allclose(deleted.values[:, 0], probabilities, rtol=1e-5)
    blurred = jax.nn.softmax(network(blur(IMAGES)))[:, 1]
    np.testing.assert_allclose(inserted.values[:, 0], blurred, rtol=1e-5)
    np.testing.assert_allclose(deleted.values[:, -1], 0.25, rtol=1e-5)  # four equal logits


@pytest.mark.parametrize("baselines", [0.5, np.float32([0.5, -1.0]), IMAGES[::-1]])
@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_baselines_are_a_number_a_color_or_images(perturb, baselines):
    full = np.broadcast_to(np.float32(baselines), IMAGES.shape)
    np.testing.assert_array_equal(
        perturb(network, IMAGES, MAPS, 1, baselines).values,
        perturb(network, IMAGES, MAPS, 1, full).values,
    )


def test_the_contributions_of_a_linear_model_are_its_best_map():
    contributions = np.einsum("nhwc,hwc->nhw", IMAGES, WEIGHTS[..., 0])

    def area(perturb, maps):
        return perturb(linear, IMAGES, maps, 0, 0.0, output=lambda logits: logits).auc

    for other in [MAPS, -contributions, np.abs(contributions)]:
        assert (area(insertion, contributions) > area(insertion, other)).all()
        assert (area(deletion, contributions) < area(deletion, other)).all()


def test_unequal_steps_are_weighted_by_the_pixels_that_they_change():
    ours = insertion(network, IMAGES, MAPS, TARGETS, 0.0, steps=5)
    each = insertion(network, IMAGES, MAPS, TARGETS, 0.0, steps=54)
    changed = [0, 10, 21, 32, 43, 54]
    np.testing.assert_allclose(ours.fractions, np.array(changed) / 54, rtol=1e-6)
    np.testing.assert_allclose(ours.values, each.values[:, changed], rtol=1e-5)
    np.testing.assert_allclose(ours.auc, np.trapezoid(ours.values, ours.fractions), rtol=1e-5)


@pytest.mark.parametrize("changed", [1, 3, 54])
def test_a_contrast_of_a_linear_model_is_the_sigmoid_of_summed_contributions(changed):
    """From a zero baseline, inserting a pixel adds its contribution to the logit difference."""
    contributions = np.einsum("nhwc,hwc->nhw", IMAGES, WEIGHTS[..., 2] - WEIGHTS[..., 0])
    order = np.argsort(-contributions.reshape(3, -1), axis=1)
    summed = np.take_along_axis(contributions.reshape(3, -1), order, axis=1).cumsum(axis=1)
    ours = insertion(linear, IMAGES, contributions, Contrast(2, 0), 0.0, steps=54)
    np.testing.assert_allclose(ours.values[:, 0], 0.5)
    np.testing.assert_allclose(
        ours.values[:, changed], 1 / (1 + np.exp(-summed[:, changed - 1])), rtol=1e-5
    )


@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_a_contrast_of_a_two_class_model_is_the_probability_of_its_class(perturb):
    def two_classes(images):
        return network(images)[:, 1:3]

    contrast = perturb(two_classes, IMAGES, MAPS, Contrast([0, 1, 0], [1, 0, 1]), steps=9, chunk=4)
    probability = perturb(two_classes, IMAGES, MAPS, [0, 1, 0], steps=9)
    np.testing.assert_allclose(contrast.values, probability.values, rtol=1e-5)
    np.testing.assert_allclose(contrast.auc, probability.auc, rtol=1e-5)


def test_a_traced_contrast_is_measured_like_a_concrete_one():
    expected = deletion(network, IMAGES, MAPS, Contrast(TARGETS, 2))
    traced = jax.jit(lambda contrast: deletion(network, IMAGES, MAPS, contrast).values)
    np.testing.assert_allclose(traced(Contrast(TARGETS, 2)), expected.values, rtol=1e-5)


def test_a_function_of_logits_is_measured_as_it_is_and_may_differ_between_images():
    def margin(logits):
        return logits[jnp.arange(3), TARGETS] - logits[:, 2]

    ours = insertion(network, IMAGES, MAPS, margin, steps=9)
    contrast = insertion(network, IMAGES, MAPS, Contrast(TARGETS, 2), steps=9)
    np.testing.assert_allclose(jax.nn.sigmoid(ours.values), contrast.values, rtol=1e-5)


def test_the_output_is_what_is_measured():
    ours = deletion(network, IMAGES, MAPS, TARGETS, output=jax.nn.sigmoid)
    np.testing.assert_allclose(
        ours.values[:, 0], jax.nn.sigmoid(network(IMAGES))[np.arange(3), TARGETS], rtol=1e-5
    )


@pytest.mark.parametrize("chunk", [1, 4, 11, 100])
def test_the_chunk_changes_only_the_number_of_model_calls(chunk):
    calls = []

    def counted(images):
        calls.append(len(images))
        return network(images)

    ours = jax.jit(lambda images: insertion(counted, images, MAPS, TARGETS, steps=10, chunk=chunk))(
        IMAGES
    )
    expected = insertion(network, IMAGES, MAPS, TARGETS, steps=10)
    np.testing.assert_allclose(ours.values, expected.values, rtol=1e-5)
    assert len(calls) == -(-11 // chunk)
    assert sum(calls) == 11 * len(IMAGES)


def test_the_curve_of_an_image_does_not_depend_on_the_batch():
    together = insertion(network, IMAGES, MAPS, TARGETS)
    alone = insertion(network, IMAGES[1:2], MAPS[1:2], 3)
    np.testing.assert_allclose(together.values[1:2], alone.values, rtol=1e-5)


@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_the_curve_is_nan_for_maps_without_contrast(perturb):
    map = MAPS[0]
    maps = np.stack([map, np.zeros_like(map), *(broken(map, value) for value in BROKEN_VALUES)])
    ours = perturb(network, np.repeat(IMAGES[:1], len(maps), axis=0), maps, 0)
    assert not np.isnan(ours.values[0]).any()
    assert np.isnan(ours.values[1:]).all()
    assert list(np.isnan(ours.auc)) == [False, True, True, True, True]


def test_a_nan_logit_makes_only_the_area_of_its_image_nan():
    def diverged(images):
        return network(images) + jnp.where(images[:, :1, 0, 0] == IMAGES[1, 0, 0, 0], jnp.nan, 0)

    assert list(np.isnan(deletion(diverged, IMAGES, MAPS, 0).auc)) == [False, True, False]


def test_vmap_over_members_and_maps_under_jit():
    weights = np.stack([WEIGHTS, WEIGHTS[::-1]])
    maps = random_map(SIZE, 2, 3)

    def area(weights, maps):
        def model(images):
            return jnp.einsum("nhwc,hwck->nk", images, weights)

        return insertion(model, IMAGES, maps, TARGETS, steps=9, chunk=4).auc

    each = [[area(w, m) for m in maps] for w in weights]
    pairs = jax.vmap(jax.vmap(area, in_axes=(None, 0)), in_axes=(0, None))
    np.testing.assert_allclose(jax.jit(pairs)(weights, maps), each, rtol=1e-5)


def test_a_traced_class_that_does_not_exist_gives_nan():
    areas = jax.jit(lambda targets: deletion(network, IMAGES, MAPS, targets).auc)
    assert list(np.isnan(areas(np.array([0, 4, -1])))) == [False, True, True]


def test_a_bfloat16_model_gets_bfloat16_images_and_is_measured_in_float32():
    def model(images):
        assert images.dtype == jnp.bfloat16
        return network(images).astype(jnp.bfloat16)

    ours = insertion(model, jnp.asarray(IMAGES, jnp.bfloat16), MAPS, 0)
    assert ours.values.dtype == jnp.float32
    np.testing.assert_allclose(ours.auc, insertion(network, IMAGES, MAPS, 0).auc, rtol=0.02)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"images": IMAGES[0]}, r"images has shape \(6, 9, 2\).*\[image, height, width, channel\]"),
        ({"images": IMAGES[:0], "maps": MAPS[:0], "targets": 0}, r"shape \(0, 6, .*at least one"),
        ({"images": IMAGES * np.float32(np.inf)}, r"image 0 contains NaN or infinity \(3 of 3"),
        ({"images": ONE_BROKEN}, r"image 1 contains NaN or infinity \(1 of 3 images do\): leave"),
        ({"images": jnp.asarray(ONE_BROKEN)}, "image 1 contains NaN"),
        ({"images": IMAGES.astype(np.uint8)}, "type uint8: give the floating-point images"),
        (
            {"maps": IMAGES},
            r"maps of shape \(3, 6, 9, 2\).*give one value per pixel, .*\(3, 6, 9\)",
        ),
        ({"maps": MAPS[:, :3, :3]}, "resize a coarse map"),
        ({"targets": np.array([0, 1])}, r"targets has shape \(2,\) for 3 images"),
        (
            {"targets": np.array([0, 4, 1])},
            "has 4 classes: give 0 to 3, and leave out images",
        ),
        ({"targets": -1}, "class -1"),
        (
            {"targets": Contrast(2, 4)},
            r"targets\.against names class 4, but the model has 4 classes",
        ),
        ({"targets": Contrast(1.5, 2)}, r"targets\.target has type float64: give one class"),
        ({"targets": Contrast([2, 3], 1)}, r"targets\.target has shape \(2,\) for 3 images"),
        ({"targets": lambda logits: logits}, r"returned shape \(3, 4\) .* shape \(3,\)"),
        ({"targets": Contrast(2, 1), "output": jax.nn.sigmoid}, "output is for classes"),
        ({"targets": lambda logits: logits[:, 0], "output": jnp.exp}, "leave output out, or give"),
        ({"targets": [0, 1.5, 2]}, "targets has type float64, int64: give one class"),
        ({"targets": 1.5}, "targets has type float64"),
        ({"targets": True}, "targets has type bool"),
        ({"targets": TARGETS + 0.5}, "targets has type float64: .* an array of 3 integers"),
        ({"targets": jnp.float32(1)}, "targets has type float32"),
        ({"baselines": np.zeros(3)}, r"baselines has shape \(3,\).* give a number, a color \(2,\)"),
        ({"steps": 0}, "steps is 0: give at least 1"),
        ({"steps": 55}, "steps is 55: give 1 to 54"),
        ({"chunk": 0}, "chunk is 0: give at least 1"),
        ({"logits_fn": lambda images: {"a": network(images)}}, "returned a dict for 153 images"),
        ({"logits_fn": lambda images: network(images)[0]}, r"returned shape \(4,\) for 153 images"),
    ],
)
@pytest.mark.parametrize("perturb", PERTURBATIONS)
def test_invalid_arguments_raise_an_error_that_says_what_to_do(perturb, changed, message):
    settings = {"logits_fn": network, "images": IMAGES, "maps": MAPS, "targets": TARGETS}
    with pytest.raises(ValueError, match=message):
        perturb(**settings | changed)


@pytest.mark.parametrize("output", [jax.nn.softmax, lambda logits: jax.nn.softmax(logits, -1)])
@pytest.mark.parametrize("curve", [insertion, deletion])
def test_the_softmax_of_one_logit_is_refused(curve, output):
    def one_logit(images):
        return network(images)[:, :1]

    for call in (curve, jax.jit(curve, static_argnums=0, static_argnames=("steps", "output"))):
        with pytest.raises(ValueError, match=r"one logit, .* give output=jax\.nn\.sigmoid"):
            call(one_logit, IMAGES, MAPS, 0, steps=2, output=output)
        values = call(one_logit, IMAGES, MAPS, 0, steps=2, output=jax.nn.sigmoid).values
        assert np.ptp(values, axis=1).all()
