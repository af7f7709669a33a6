"""Images in chunks: every one once, whatever the chunk, and one compiled program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr

IMAGES = np.arange(14.0, dtype=np.float32).reshape(7, 2)


@pytest.mark.parametrize("chunk", [None, 1, 3, 7, 100])
def test_it_is_the_function_on_all_of_them(chunk):
    keys = jax.random.split(jax.random.key(0), 7)

    def function(images, target, keys):
        return {"sum": images.sum(1) + target, "drawn": jax.vmap(jax.random.normal)(keys)}

    whole = function(IMAGES, 2, keys)
    found = attr.in_chunks(function, chunk, IMAGES, 2, keys)
    np.testing.assert_array_equal(found["sum"], whole["sum"])
    np.testing.assert_array_equal(found["drawn"], whole["drawn"])


def test_every_call_has_the_same_shape():
    shapes = []

    def function(images, targets):
        shapes.append((images.shape, targets.target.shape, np.shape(targets.against)))
        return images

    attr.in_chunks(function, 3, IMAGES, attr.Contrast(jnp.arange(7), 1))
    assert shapes == [((3, 2), (3,), ())] * 3


def test_arguments_of_different_lengths_and_empty_chunks_are_refused():
    with pytest.raises(ValueError, match=r"have \[6, 7\] images"):
        attr.in_chunks(lambda *x: x, 2, IMAGES, IMAGES[:6])
    with pytest.raises(ValueError, match="have 0 images: give at least one"):
        attr.in_chunks(lambda *x: x, 2, IMAGES[:0])
    with pytest.raises(ValueError, match="chunk is 0"):
        attr.in_chunks(lambda *x: x, 0, IMAGES)
