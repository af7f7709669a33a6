"""LIME of one image by all members at once, next to marcotcr/lime once for each member."""

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int, Real, UInt8

from jaxens.attribution import superpixels
from jaxens.benchmarks.options import Lime
from jaxens.benchmarks.results import JAXENS, Results, Row, ratio_to_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.subject import TASK, Subject
from jaxens.ensemble import Ensemble
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.settings import MethodSettings
from jaxens.models import Classifier, normalized

TARGET = 3
BATCHES = (10, 100)  # of marcotcr/lime: its default, and a faster one
KINDS: dict[Literal["own", "frozen"], str] = {
    "own": "separate networks",
    "frozen": "heads on one trunk",
}


def lime(options: Lime) -> list[Results]:
    """Measures LIME with separate networks, and with heads on one trunk."""
    model, members, size = options.model, options.members, options.image_size
    return [
        _lime(Subject.make(model, members, size, 1, "auto", base), kind, _image(size), options)
        for base, kind in KINDS.items()
    ]


def _lime(
    subject: Subject,
    kind: str,
    image: UInt8[np.ndarray, "1 h w 3"],
    options: Lime,
) -> Results:
    """Both sides have the same number of samples; our side computes superpixels in each call."""
    ensemble, size, samples = subject.ensemble(), options.image_size, options.samples
    settings = MethodSettings(lime_samples=samples)

    def ours() -> dict[str, Float[Array, "member image height width"]]:
        explainer = Explainer(ensemble, size, settings)  # a new one, because it caches
        return explainer.maps(["lime"], image, np.zeros(1, int), np.array([TARGET]), TASK.name)

    sides: dict[str, Callable[[], object]] = {JAXENS: ours}
    if options.against:
        sides |= _theirs(subject.model, ensemble, image, samples)
    timed = in_turn(sides, options.rounds)
    return Results(
        f"LIME of one image of {size} px, {samples} samples, {ensemble.members} "
        f"{subject.config.model.name}, {kind}",
        "perturbed member-images",
        ratio_to_fastest(timed),
        [
            Row(
                "LIME",
                by,
                times,
                items=ensemble.members * samples,
                compiling=times.compiling if by == JAXENS else None,
                ratio=times_as_fast(timed, by),
            )
            for by, times in timed.items()
        ],
    )


def _theirs(
    model: Classifier, ensemble: Ensemble, image: UInt8[np.ndarray, "1 h w 3"], samples: int
) -> dict[str, Callable[[], object]]:
    """marcotcr/lime on our jitted networks, with our superpixels, for several batch sizes."""

    @jax.jit
    def forward(variables: Any, images: Array) -> Float[Array, "image class"]:
        logits = model.apply(variables, normalized(images / 255))
        return jax.nn.softmax(logits[TASK.name])

    networks = [partial(forward, ensemble.member(k)) for k in range(ensemble.members)]
    segments = superpixels(image)[0]
    return {
        f"marcotcr/lime, batches of {batch}": partial(
            marcotcr, networks, image[0], segments, samples, batch
        )
        for batch in BATCHES
    }


def marcotcr(
    networks: Sequence[Callable[[np.ndarray], Array | np.ndarray]],
    image: Real[np.ndarray, "h w 3"],
    segments: Int[np.ndarray, "h w"],
    samples: int,
    batch: int,
) -> None:
    """Explains an image by marcotcr/lime, for one network after the other.

    Args:
        networks: From float32 images [image, height, width, 3] to probabilities [image, class].
        image: The image.
        segments: Labels of its pixels.
        samples: Perturbed images.
        batch: Images that a network gets at once.
    """
    from lime.lime_image import LimeImageExplainer

    for network in networks:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            LimeImageExplainer(random_state=0).explain_instance(
                image.astype(np.float64),
                lambda images, network=network: np.asarray(network(images.astype(np.float32))),
                labels=(TARGET,),
                top_labels=None,
                num_samples=samples,
                batch_size=batch,
                segmentation_fn=lambda _: segments,
            )


def _image(size: int) -> UInt8[np.ndarray, "1 size size 3"]:
    """Soft blobs with some noise, which have superpixels."""
    x, y = np.meshgrid(*(np.linspace(0, 1, size),) * 2)
    channels = [np.sin(6 * x + 2 * c) * np.cos(5 * y - c) * 0.4 + 0.5 for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.03, (size, size, 3))
    unit = np.clip(np.stack(channels, axis=-1) + noise, 0, 1)
    return np.round(255 * unit).astype(np.uint8)[None]
