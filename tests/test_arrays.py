from collections.abc import Callable

import jax
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens import metrics
from jaxens.attribution.quadrature import nodes_and_weights
from jaxens.chunks import in_chunks

IMAGES = np.random.default_rng(0).normal(size=(2, 6, 6, 3)).astype(np.float32)
MAPS = IMAGES[..., 0]
MASKS = MAPS > 0
SEGMENTS = np.broadcast_to(attr.grid(6, 6, 2), MAPS.shape)
KEY = jax.random.key(0)


def logits(images: jax.Array) -> jax.Array:
    return images.mean(axis=(1, 2))


WHOLE: dict[str, tuple[str, Callable[[float], object]]] = {
    "integrated_gradients": ("steps", lambda n: nodes_and_weights("riemann_left", n)),
    "smooth_grad": ("samples", lambda n: attr.noise_draws(KEY, IMAGES, n)),
    "gradient_shap": ("samples", lambda n: attr.shap_draws(KEY, IMAGES, 2, n)),
    "lime": ("samples", lambda n: attr.lime_draws(KEY, SEGMENTS, n)),
    "grid": ("cells", lambda n: attr.grid(6, 6, n)),
    "resize": ("height", lambda n: attr.resize(MAPS, (n, 6))),
    "in_chunks": ("chunk", lambda n: in_chunks(logits, n, IMAGES)),
    "insertion": ("steps", lambda n: metrics.insertion(logits, IMAGES, MAPS, 0, steps=n)),
    "deletion": ("steps", lambda n: metrics.deletion(logits, IMAGES, MAPS, 0, steps=n)),
    "correlation": ("size", lambda n: metrics.correlation(MAPS, MASKS, size=n)),
    "area_average": ("size", lambda n: metrics.area_average(MAPS, n)),
    "blur": ("size", lambda n: metrics.blur(IMAGES, n)),
    "pointing_game": ("tolerance", lambda n: metrics.pointing_game(MAPS, MASKS, n)),
    "member_orders": ("orders", lambda n: metrics.member_orders(2, n)),
    "centered_gaussian": ("width", lambda n: metrics.centered_gaussian(6, n)),
    "random_maps": ("height", lambda n: metrics.random_maps(KEY, n, 6)),
    "Protocol": ("correlation_size", lambda n: metrics.Protocol(correlation_size=n)),
}


@pytest.mark.parametrize(("name", "call"), WHOLE.values(), ids=WHOLE)
@pytest.mark.usefixtures("unchecked")
def test_numbers_of_things_are_whole(name: str, call: Callable[[float], object]) -> None:
    call(np.int64(3))
    for number in (3.0, 2.5, float("nan"), "3", True):
        with pytest.raises(ValueError, match=f"{name} is {number!r}: give a whole number"):
            call(number)  # type: ignore[arg-type]


DRAWS: dict[str, Callable[[], object]] = {
    "lime": lambda: attr.lime_draws(KEY, SEGMENTS, 20),
    "gradient_shap": lambda: attr.shap_draws(KEY, IMAGES, 7, 5, stdev=0.1),
    "smooth_grad": lambda: attr.noise_draws(KEY, IMAGES, 3),
    "random_maps": lambda: metrics.random_maps(KEY, 4, 5),
    "randomize": lambda: metrics.randomize({"layer": MAPS}, "layer", KEY),
}


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_the_x64_mode_changes_no_draw(draw: Callable[[], object]) -> None:
    with jax.enable_x64(True):
        wide = draw()
    jax.tree.map(np.testing.assert_array_equal, wide, draw())
