"""LIME of one picture by all members at once, beside marcotcr/lime once for each member."""

import contextlib
import io
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from jaxens.attribution import superpixels
from jaxens.benchmarks.results import JAXENS, Results, Row, beside_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.subject import TASK, Subject
from jaxens.ensemble import Ensemble
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.settings import MethodSettings
from jaxens.models import Classifier, normalized
from jaxens.training.settings import ModelName

TARGET = 3
BATCHES = (10, 100)  # of marcotcr/lime: its default, and one that suits it better
KINDS: dict[Literal["own", "frozen"], str] = {
    "own": "separate networks",
    "frozen": "heads on one trunk",
}


def lime(
    model: ModelName = "small",
    members: int = 11,
    image_size: int = 64,
    samples: int = 1000,
    rounds: int = 5,
    against: str | None = None,
) -> list[Results]:
    """LIME of one picture for all members at once; `against` names what it is compared with."""
    picture = _picture(image_size)
    return [
        _lime(
            Subject.make(model, members, image_size, 1, "auto", base),
            kind,
            picture,
            samples,
            rounds,
            against,
        )
        for base, kind in KINDS.items()
    ]


def _lime(
    subject: Subject,
    kind: str,
    picture: UInt8[np.ndarray, "1 h w 3"],
    samples: int,
    rounds: int,
    against: str | None,
) -> Results:
    """Both sides have the same number of samples; our superpixels are cut in each call."""
    ensemble, size = subject.ensemble(), picture.shape[1]
    settings = MethodSettings(lime_samples=samples)

    def ours() -> dict[str, Float[Array, "member image height width"]]:
        explainer = Explainer(ensemble, size, settings)  # a new one, since it keeps what it made
        return explainer.maps(["lime"], picture, np.zeros(1, int), np.array([TARGET]), TASK.name)

    sides: dict[str, Callable[[], object]] = {JAXENS: ours}
    if against:
        sides |= _theirs(subject.model, ensemble, picture, samples)
    timed = in_turn(sides, rounds)
    return Results(
        f"LIME of one picture of {size} px, {samples} samples, {ensemble.members} "
        f"{subject.config.model.name}, {kind}",
        "perturbed member-images",
        beside_fastest(timed),
        [
            Row(
                "LIME",
                by,
                each,
                items=ensemble.members * samples,
                compiling=each.compiling if by == JAXENS else None,
                ratio=times_as_fast(timed, by),
            )
            for by, each in timed.items()
        ],
    )


def _theirs(
    model: Classifier, ensemble: Ensemble, picture: UInt8[np.ndarray, "1 h w 3"], samples: int
) -> dict[str, Callable[[], object]]:
    """marcotcr/lime on our jitted networks, in batches of several sizes; it is given its
    superpixels."""

    @jax.jit
    def forward(variables: Any, pictures: Array) -> Float[Array, "image class"]:
        logits = model.apply(variables, normalized(pictures / 255))
        return jax.nn.softmax(logits[TASK.name])

    networks = [partial(forward, ensemble.member(k)) for k in range(ensemble.members)]
    segments = superpixels(picture)[0]
    return {
        f"marcotcr/lime, batches of {batch}": partial(
            _marcotcr, networks, picture[0], segments, samples, batch
        )
        for batch in BATCHES
    }


def _marcotcr(
    networks: Sequence[Callable[[np.ndarray], Array]],
    picture: UInt8[np.ndarray, "h w 3"],
    segments: Int[np.ndarray, "h w"],
    samples: int,
    batch: int,
) -> None:
    from lime.lime_image import LimeImageExplainer

    for network in networks:
        with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
            LimeImageExplainer(random_state=0).explain_instance(
                picture.astype(np.float64),
                lambda pictures, of=network: np.asarray(of(pictures.astype(np.float32))),
                labels=(TARGET,),
                top_labels=None,
                num_samples=samples,
                batch_size=batch,
                segmentation_fn=lambda _: segments,
            )


def _picture(size: int) -> UInt8[np.ndarray, "1 size size 3"]:
    """Soft blobs with some noise: something that superpixels can be cut from."""
    x, y = np.meshgrid(*(np.linspace(0, 1, size),) * 2)
    channels = [np.sin(6 * x + 2 * c) * np.cos(5 * y - c) * 0.4 + 0.5 for c in range(3)]
    noise = np.random.default_rng(0).normal(0, 0.03, (size, size, 3))
    unit = np.clip(np.stack(channels, axis=-1) + noise, 0, 1)
    return np.round(255 * unit).astype(np.uint8)[None]
