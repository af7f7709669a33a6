"""Augmented images, and their masks and key points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data import augment
from jaxens.data.augment import Change

pytestmark = pytest.mark.slow


def change(n=1, flip=False, left=0.0, top=0.0, side=1.0, gain=1.0, lift=0.0):
    full = [np.full(n, v, np.float32) for v in (left, top, side, gain, lift)]
    return Change(jnp.full(n, flip), *map(jnp.asarray, full))


def test_no_change_keeps_the_image():
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    np.testing.assert_allclose(augment.images(change(2), images), images / 255, atol=1e-6)


def test_a_flip_mirrors():
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    flipped = augment.images(change(flip=True), images)
    np.testing.assert_allclose(flipped, images[:, :, ::-1] / 255, atol=1e-6)


def test_color_changes_contrast_about_gray_and_brightness_within_range():
    gray = np.full((1, 4, 4, 3), 51, np.uint8)  # 0.2
    np.testing.assert_allclose(augment.images(change(gain=0.5), gray), 0.35, atol=1e-6)
    np.testing.assert_allclose(augment.images(change(lift=-0.5), gray), 0.0, atol=1e-6)


def test_points_and_masks_follow_the_image():
    drawn = augment.draw(jax.random.key(3), 64, flip=True, zoom=0.3, color=0.0)
    row, column, size = 40, 22, 64
    images = np.zeros((64, size, size, 3), np.uint8)
    images[:, row - 2 : row + 3, column - 2 : column + 3] = 255
    point = np.tile([(column + 0.5) / size, (row + 0.5) / size], (64, 1))
    moved = np.asarray(augment.points(drawn, jnp.asarray(point, jnp.float32)))
    bright = np.asarray(augment.images(drawn, images))[..., 0]
    masks = np.asarray(augment.masks(drawn, jnp.asarray(images[..., 0] > 0)))
    grid = (np.arange(size) + 0.5) / size
    inside = 0
    for i in range(64):
        np.testing.assert_array_equal(masks[i], bright[i] >= 0.5)
        if np.isnan(moved[i, 0]) or not (moved[i] > 0.1).all() or not (moved[i] < 0.9).all():
            continue
        inside += 1
        mass = bright[i] / bright[i].sum()
        center = (mass.sum(0) @ grid, mass.sum(1) @ grid)
        np.testing.assert_allclose(moved[i], center, atol=0.25 / size)
    assert inside > 50
    assert 16 < np.asarray(drawn.flip).sum() < 48


def test_a_point_outside_the_crop_is_nan():
    moved = augment.points(change(left=0.5, side=0.5), jnp.array([[0.4, 0.2]]))
    assert np.isnan(moved).all()


@pytest.mark.parametrize("zoom", [0.0, 0.4])
def test_crops_are_inside_the_image_and_leave_out_at_most_zoom(zoom):
    drawn = augment.draw(jax.random.key(0), 200, flip=False, zoom=zoom, color=0.1)
    assert not drawn.flip.any()
    assert (drawn.side >= 1 - zoom).all()
    for corner in (drawn.left, drawn.top):
        assert (corner >= 0).all()
        assert (corner + drawn.side <= 1 + 1e-6).all()
