from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from tests.attribution import cases, cnn
from tests.attribution.cases import IMAGES, KEYS, MEMBERS, explain

LOGITS = jnp.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])


@pytest.mark.parametrize(
    ("targets", "selected"),
    [
        (1, [2, 16]),
        (np.int64(2), [4, 32]),
        (np.array([2, 0], np.uint8), [4, 8]),
        (jnp.array([0, 1]), [1, 16]),
        ([0, 1], [1, 16]),
        (attr.Contrast([0, 2], 1), [-1, 16]),
        (attr.Contrast(2, 0), [3, 24]),
        (attr.Contrast(np.array([0, 2]), 1), [-1, 16]),
        (lambda logits: logits[:, 1:].sum(axis=1), [6, 48]),
    ],
)
def test_one_number_per_image_is_explained(targets: attr.Targets, selected: list[float]) -> None:
    np.testing.assert_array_equal(attr.select(LOGITS, targets), selected)
    if not callable(targets):
        np.testing.assert_array_equal(jax.jit(attr.select)(LOGITS, targets), selected)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (3, "targets names class 3, but the model has 3 classes: give 0 to 2"),
        (-1, "targets names class -1,"),
        (np.array([0, 3]), r"targets names class 3 \(image 1\)"),
        (jnp.array([-1, 0]), r"targets names class -1 \(image 0\)"),
        (attr.Contrast(3, 0), r"targets\.target names class 3"),
        (attr.Contrast(0, np.array([1, 7])), r"targets\.against names class 7 \(image 1\)"),
        (np.array([0, 1, 2]), r"shape \(3,\) for 2 images: give one class, or one for each"),
        (np.array([[0], [1]]), r"shape \(2, 1\) for 2 images"),
        (np.array([0.0, 1.0]), "has type float.*: give one class"),
        (1.0, "has type float.*: give one class"),
        (True, "has type bool: give one class"),
        (None, "has type NoneType: give one class"),
        ([0, 1, 2], r"shape \(3,\) for 2 images"),
        ([0, 3], r"targets names class 3 \(image 1\)"),
        (lambda logits: logits, r"returned shape \(2, 3\).* one number per image, shape \(2,\)"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_targets_that_make_no_sense_are_refused(targets: attr.Targets, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        attr.select(LOGITS, targets)


every_method = pytest.mark.parametrize("method", attr.METHODS)
# Magnitudes, and LIME's probabilities and lasso, are not linear in the logits.
linear_methods = pytest.mark.parametrize(
    "method", [name for name, method in attr.METHODS.items() if method.signed and name != "lime"]
)


@every_method
def test_a_class_that_does_not_exist_is_refused_by_every_method(method: str) -> None:
    settings, network = cases.settings(method, KEYS, 3), cases.network(MEMBERS[0])
    for targets in (cnn.CLASSES, np.array([0, 1, cnn.CLASSES])):
        with pytest.raises(ValueError, match=r"names class 5.*, but the model has 5"):
            jax.eval_shape(
                partial(attr.attribute, method, network, targets=targets, **settings), images=IMAGES
            )


@every_method
def test_a_traced_class_that_does_not_exist_gives_nan_and_not_another_classs_map(
    method: str,
) -> None:
    maps = explain(method, MEMBERS[0], targets=np.array([-1, 1, cnn.CLASSES]))
    assert np.isnan(maps[::2]).all()
    right = explain(method, MEMBERS[0], targets=np.array([0, 1, 2]))
    np.testing.assert_allclose(maps[1], right[1], atol=1e-6)
    assert np.isfinite(right).all()


@linear_methods
def test_a_contrast_is_the_difference_of_two_maps_where_the_method_is_linear(method: str) -> None:
    target, against = np.array([3, 0, 2]), np.array([1, 1, 4])
    maps = explain(method, MEMBERS[0], targets=attr.Contrast(target, against))
    one, other = (explain(method, MEMBERS[0], targets=targets) for targets in (target, against))
    np.testing.assert_allclose(maps, one - other, atol=1e-6)


def test_a_contrast_passes_through_vmap() -> None:
    others = jnp.array([0, 1, 4])
    contrasts = attr.Contrast(jnp.array([2, 2, 2]), others)
    of_contrast = partial(explain, "saliency", MEMBERS[0], IMAGES)
    maps = jax.jit(jax.vmap(of_contrast, (attr.Contrast(None, 0),)))(contrasts)
    for against in range(3):
        contrast = attr.Contrast(np.array([2, 2, 2]), np.repeat(others[against], 3))
        np.testing.assert_allclose(maps[against], of_contrast(contrast), atol=1e-6)
