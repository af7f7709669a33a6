"""A network and settings with which every method of the table runs, and quickly."""

from functools import partial

import jax
import numpy as np

from jaxens import attribution as attr
from tests.reference import twins

SEGMENTS = attr.grid(10, 14, 3)
BACKGROUND = twins.sample_images(2, seed=1)


def network(params: twins.Params) -> attr.Network:
    return attr.Network(
        logits_fn=partial(twins.logits, params),
        features_fn=partial(twins.features, params),
        head_fn=partial(twins.head, params),
        guided_logits_fn=partial(twins.logits, params, act=attr.guided_relu),
    )


def settings(method: str, key: jax.Array, images: int) -> dict[str, object]:
    """What the method needs, and few steps and samples."""
    given: dict[str, object] = {
        "key": key,
        "steps": 4,
        "samples": 20 if method == "lime" else 2,
        "segments": np.broadcast_to(SEGMENTS, (images, 10, 14)),
    }
    if method == "gradient_shap":
        given["baselines"] = BACKGROUND
    return {name: value for name, value in given.items() if name in attr.METHODS[method].settings}
