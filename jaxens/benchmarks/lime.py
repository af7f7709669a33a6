"""LIME of one picture by all members at once, and by marcotcr/lime once for each member."""

import contextlib
import io
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxens import attribution as attr
from jaxens.benchmarks.machine import require
from jaxens.benchmarks.results import JAXENS, Results, Row, fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.models import build
from jaxens.ops import conv_general_dilated

CLASSES, TARGET = 18, 3
BATCHES = (10, 100)  # of marcotcr/lime: its default, and one that suits it better


def lime(
    model: str = "small",
    members: int = 11,
    image_size: int = 64,
    samples: int = 1000,
    rounds: int = 5,
) -> list[Results]:
    """LIME of one picture for all members at once, and by marcotcr/lime once per member."""
    require("lime")
    return [_lime(model, members, image_size, samples, rounds, shared) for shared in (False, True)]


def _lime(
    model: str, members: int, size: int, samples: int, rounds: int, shared_trunk: bool
) -> Results:
    """Of separate networks; with `shared_trunk`, of members that differ by their heads alone.

    Both sides have the same superpixels, number of samples and jitted network, whose weights
    are random.
    """
    network = build(model, (("species", CLASSES),), conv_general_dilated=conv_general_dilated)
    picture = _picture(size)
    image = jnp.asarray((picture - 0.5) / 0.25, jnp.float32)
    segments = attr.superpixels(picture)
    keys = jax.random.split(jax.random.key(0), members)
    variables = jax.jit(jax.vmap(network.init, (0, None)))(keys, image)
    own = jax.tree_util.tree_map_with_path(
        lambda path, _: not shared_trunk or "heads" in _names(path), variables
    )
    variables = jax.tree.map(lambda leaf, own: leaf if own else leaf[0], variables, own)
    axes = jax.tree.map(lambda own: 0 if own else None, own)

    def logits(variables: Any, images: Array) -> Array:
        return network.apply(variables, images)["species"]

    @jax.jit
    def ours(variables: Any, image: Array) -> Float[Array, "member image height width"]:
        explain = partial(
            attr.lime,
            segments=segments,
            key=jax.random.key(1),
            samples=samples,
            chunk=100,  # the fastest on a CPU
        )
        return jax.vmap(lambda v: explain(partial(logits, v), image, TARGET), (axes,))(variables)

    forward = jax.jit(lambda variables, images: jax.nn.softmax(logits(variables, images)))
    each = [
        jax.tree.map(lambda leaf, own, m=m: leaf[m] if own else leaf, variables, own)
        for m in range(members)
    ]
    theirs = {
        f"marcotcr/lime, batches of {batch}": partial(
            _marcotcr, forward, each, np.asarray(image[0]), segments[0], samples, batch
        )
        for batch in BATCHES
    }
    timed = in_turn({JAXENS: lambda: ours(variables, image)} | theirs, rounds)
    kind = "heads on one trunk" if shared_trunk else "separate networks"
    return Results(
        f"LIME of one picture of {size} px, {samples} samples, {members} {model}, {kind}",
        "perturbed member-images",
        f"how many times as fast as {fastest(timed)}",
        [
            Row(
                "LIME",
                by,
                each,
                items=members * samples,
                compiling=each.compiling if by == JAXENS else None,
                ratio=times_as_fast(timed, by),
            )
            for by, each in timed.items()
        ],
    )


def _marcotcr(
    forward: Any, members: list, image: np.ndarray, segments: np.ndarray, samples: int, batch: int
) -> None:
    from lime.lime_image import LimeImageExplainer

    for variables in members:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            LimeImageExplainer(random_state=0).explain_instance(
                image.astype(np.float64),
                lambda images, v=variables: np.asarray(forward(v, images.astype(np.float32))),
                labels=(TARGET,),
                top_labels=None,
                num_samples=samples,
                batch_size=batch,
                segmentation_fn=lambda _: segments,
            )


def _picture(size: int) -> Float[np.ndarray, "1 size size 3"]:
    """Soft blobs with some noise: something that superpixels can be cut from."""
    x, y = np.meshgrid(*(np.linspace(0, 1, size),) * 2)
    channels = [np.sin(6 * x + 2 * c) * np.cos(5 * y - c) * 0.4 + 0.5 for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.03, (size, size, 3))
    return np.clip(np.stack(channels, axis=-1) + noise, 0, 1)[None]


def _names(path: tuple) -> list[str]:
    return [getattr(part, "key", "") for part in path]
