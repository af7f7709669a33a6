"""Explains the pictures of a question and scores the maps, without maps leaving the device."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.data.source import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.questions import Question


@dataclass(frozen=True)
class Settings:
    """How methods are run. `images_at_once` bounds members times images in one model call."""

    images_at_once: int
    steps: int = 50
    samples: int = 5
    seed: int = 0

    def passes(self, method: str) -> int:
        """Model evaluations per picture and member."""
        return {"integrated_gradients": self.steps, "gradient_shap": self.samples}.get(method, 1)

    def chunks(self, method: str, members: int) -> tuple[int, int]:
        """Pictures at once, and steps or samples of each at once.

        A few pictures with some of their steps keep a CPU busier than one with all of them.
        """
        each = max(1, self.images_at_once // members)
        pictures = min(each, max(4, each // self.passes(method)))
        return pictures, max(1, each // pictures)


@dataclass(frozen=True)
class Scores:
    """One metric's scores of a question by one method."""

    individual: Float[np.ndarray, "member case"]  # the members, or the all-data baseline alone
    ensemble: Float[np.ndarray, "case"]  # of the mean map


def score_question(
    ensemble: Ensemble,
    split: Split,
    question: Question,
    method: str,
    background: Float[Array, "baseline height width 3"],
    protocol: metrics.Protocol,
    settings: Settings,
    advance: Callable[[int], None],
) -> dict[str, Scores]:
    """Scores every picture of a question by one method, for every metric that it allows.

    `background` are GradientSHAP's baselines; `advance` is told how many pictures are done.
    Draws depend on the seed and the picture's place in the split alone, so that neither the
    chunks nor a limit changes a score.
    """
    at_once, chunk = settings.chunks(method, ensemble.members)
    key = jax.random.key(settings.seed)
    parts = []
    for start in range(0, len(question), at_once):
        # The last chunk is filled up, so that one compiled program serves all of them.
        rows = np.minimum(np.arange(start, start + at_once), len(question) - 1)
        pictures = question.pictures[rows]
        explained = partial(
            Ensemble.attribute,
            images=jnp.asarray(split.images[pictures]),
            targets=question.targets[rows],
            method=method,
            task=question.task.name,
            key=jax.vmap(jax.random.fold_in, (None, 0))(key, jnp.asarray(pictures)),
            background=background,
            steps=settings.steps,
            samples=settings.samples,
            chunk=chunk,
        )
        parts.append(
            _scores(
                explained(ensemble),
                None if ensemble.baseline is None else explained(ensemble.alone()),
                None if question.masks is None else question.masks[rows],
                None if question.points is None else question.points[rows],
                protocol,
                METHODS[method].signed,
            )
        )
        advance(min(at_once, len(question) - start))
    return _joined(parts, len(question))


@partial(jax.jit, static_argnames=("protocol", "signed"))
def _scores(
    maps: Float[Array, "member case height width"],
    baseline: Float[Array, "1 case height width"] | None,
    masks: Array | None,
    points: Array | None,
    protocol: metrics.Protocol,
    signed: bool,
) -> dict[str, tuple[Array, Array]]:
    """The scores of individuals (members, or the baseline) and of the mean map, per metric."""
    individual = maps if baseline is None else baseline
    together = jnp.concatenate([individual, maps.mean(axis=0, keepdims=True)])
    scores = metrics.score(together, masks, points, protocol, signed)
    return {metric: (values[:-1], values[-1]) for metric, values in scores.items()}


def _joined(parts: list[dict[str, tuple[Array, Array]]], cases: int) -> dict[str, Scores]:
    def join(arrays: list[Array]) -> np.ndarray:
        return np.concatenate([np.asarray(a, np.float64) for a in arrays], axis=-1)[..., :cases]

    return {
        metric: Scores(*(join([part[metric][i] for part in parts]) for i in range(2)))
        for metric in (parts[0] if parts else {})
    }
