"""How often arrows hit what they point at, by the attribution method and the rule for tips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from jaxens.annotation.annotating import maps_of
from jaxens.annotation.rules import DIAGONAL, NEAR
from jaxens.annotation.tips import TIPS
from jaxens.data.progress import Progress, no_progress
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.questions import Question, choose_questions
from jaxens.evaluation.settings import MethodSettings, check_methods
from jaxens.metrics import compare
from jaxens.tables import Table

RADII = (0.05, 0.1, 0.2)  # of the diagonal
BINS = 5  # of the certainty


@dataclass(frozen=True)
class Hits:
    """Where the tips for one question lie, by one method and one rule.

    Only images for which the ensemble predicts the label are in it.

    Attributes:
        question: Name of the question, such as "bill_length".
        method: Name of the attribution method.
        tip: Name of the rule.
        ensemble: Distance from the tip of the mean map to the key point, in diagonals; NaN without
            a key point or a tip.
        members: The same for the map of each member.
        inside: Whether the tip of the mean map is in the mask; NaN without a mask.
        members_inside: The same for the map of each member.
        certainty: The share of members whose tip is near the ensemble's.
    """

    question: str
    method: str
    tip: str
    ensemble: Float[np.ndarray, "image"]
    members: Float[np.ndarray, "member image"]
    inside: Float[np.ndarray, "image"]
    members_inside: Float[np.ndarray, "member image"]
    certainty: Float[np.ndarray, "image"]

    def row(self) -> tuple[object, ...]:
        """Returns the shares of hits, and whether the ensemble hits more often than a member."""
        cells: list[object] = [self.question, self.method, self.tip, len(self.ensemble)]
        for radius in RADII:
            pair = _within(self.members, radius).mean(axis=0), _within(self.ensemble, radius)
            compared = compare(*pair, higher_is_better=True)
            cells += [compared.mean_individual, compared.mean_ensemble]
            if radius == NEAR:
                p = compared.p
        compared = compare(self.members_inside.mean(axis=0), self.inside, higher_is_better=True)
        return (*cells, compared.mean_individual, compared.mean_ensemble, p)


COLUMNS = (
    "question", "method", "tip", "images",
    *(f"{of} within {radius:.0%}" for radius in RADII for of in ("member", "ensemble")),
    "member in the mask", "ensemble in the mask", f"p within {NEAR:.0%}",
)  # fmt: skip


def hits_table(hits: Sequence[Hits]) -> Table:
    """Returns a row for each question, method and rule, and those of all questions together.

    The shares are of tips within 5, 10 and 20 % of the diagonal of the key point, and in the mask:
    the mean over members, and the ensemble. p is the paired t-test of the hits within 10 %.
    """
    rows = [each.row() for each in hits]
    if len({each.question for each in hits}) > 1:
        rows += [_together(hits, *pair).row() for pair in _pairs(hits)]
    return Table(COLUMNS, rows)


def _pairs(hits: Sequence[Hits]) -> list[tuple[str, str]]:
    """Returns each method with each rule."""
    return list(dict.fromkeys((each.method, each.tip) for each in hits))


def _together(hits: Sequence[Hits], method: str, tip: str) -> Hits:
    chosen = [each for each in hits if (each.method, each.tip) == (method, tip)]
    arrays = ("ensemble", "members", "inside", "members_inside", "certainty")
    joined = {
        name: np.concatenate([getattr(each, name) for each in chosen], axis=-1) for name in arrays
    }
    return Hits("all", method, tip, **joined)


def measure_hits(
    ensemble: Ensemble,
    split: Split,
    methods: Sequence[str],
    *,
    settings: MethodSettings | None = None,
    background: np.ndarray | None = None,
    progress: Progress = no_progress,
) -> list[Hits]:
    """Measures how often the tips of an ensemble and of its members hit what they point at.

    Args:
        ensemble: The ensemble.
        split: Images with labels and key points or masks; not those that it was trained on.
        methods: Names in `jaxens.attribution.METHODS`.
        settings: How the methods are run.
        background: Training images that GradientSHAP starts from.
        progress: Called with a description, the number of maps that are done, and of all.

    Returns:
        One result for each question, method and rule for tips.

    Raises:
        UserError: If a method is unknown, a member gives NaN, or the split has no labels, or no
            masks and key points.
    """
    check_methods(methods, background)
    explainer = Explainer(ensemble, split.images.shape[1], settings or MethodSettings(), background)
    chosen, predicted = choose_questions(ensemble, split)
    cases = [
        (question, np.flatnonzero(_right(question, predicted[question.task.name])))
        for question in chosen
    ]
    done, total = 0, sum(len(rows) for _, rows in cases) * len(methods)

    def advance(count: int) -> None:
        nonlocal done
        done += count
        progress("measuring tips", done, total)

    results = []
    for question, rows in cases:
        images = question.images[rows]
        for method in methods if len(rows) else ():
            tips = maps_of(
                explainer,
                method,
                split.images[images],
                split.places[images],
                question.task,
                question.targets[rows],
                advance=advance,
                read=_tips,
            )
            results += [
                _hits(question, rows, method, tip, tips[:, :, k]) for k, tip in enumerate(TIPS)
            ]
    return results


def reliability_figure(hits: Sequence[Hits], radius: float = NEAR) -> Figure:
    """Draws the share of hits against the certainty of arrows: a panel for each method and rule.

    Args:
        hits: From `measure_hits`; questions are taken together.
        radius: What counts as a hit, in diagonals.
    """
    pairs = _pairs(hits)
    columns = min(3, len(pairs))
    rows = -(-len(pairs) // columns)
    figure = Figure((2.6 * columns, 2.4 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, pair in zip(panels, pairs, strict=False):
        certainty, hit = reliability(hits, *pair, radius)
        edges = np.linspace(0, 1, BINS + 1)
        places = np.clip(np.digitize(certainty, edges) - 1, 0, BINS - 1)
        for k in range(BINS):
            if (inside := places == k).any():
                share, count = hit[inside].mean(), int(inside.sum())
                axes.bar((edges[k] + edges[k + 1]) / 2, share, 0.9 / BINS, color="tab:blue")
                axes.text(
                    (edges[k] + edges[k + 1]) / 2, share + 0.01, count, ha="center", fontsize=6
                )
        axes.plot([0, 1], [0, 1], color="0.6", linewidth=0.8)
        axes.set_title(f"{pair[0]}, {pair[1]}".replace("_", " "), fontsize=8)
        axes.set(xlim=(0, 1), ylim=(0, 1.08))
    for axes in panels[len(pairs) :]:
        axes.set_axis_off()
    figure.supxlabel("share of members that point near the tip", fontsize=8)
    figure.supylabel(f"share of tips within {radius:.0%} of the key point", fontsize=8)
    return figure


def reliability(
    hits: Sequence[Hits], method: str, tip: str, radius: float = NEAR
) -> tuple[Float[np.ndarray, "image"], Float[np.ndarray, "image"]]:
    """Returns the certainty of all arrows of a method and rule, and whether they hit (0 or 1)."""
    together = _together(hits, method, tip)
    certainty, hit = together.certainty, _within(together.ensemble, radius)
    known = ~np.isnan(hit)
    return certainty[known], hit[known]


def _right(
    question: Question, probabilities: Float[np.ndarray, "image class"]
) -> Bool[np.ndarray, "case"]:
    """Returns for which cases of a question the ensemble predicts the label."""
    of_images = probabilities[question.images]
    if question.task.kind == "multilabel":
        return of_images[np.arange(len(of_images)), question.targets] > 0.5
    return of_images.argmax(axis=1) == question.targets


def _tips(
    maps: Float[np.ndarray, "member image height width"],
) -> Float[np.ndarray, "1+member image tip 2"]:
    """Returns the tips of the mean map and of each member's, by every rule."""
    with_mean = np.concatenate([maps.mean(axis=0, keepdims=True), maps])
    return np.stack([tip_of(with_mean) for tip_of in TIPS.values()], axis=2)


def _hits(
    question: Question,
    rows: np.ndarray,
    method: str,
    tip: str,
    tips: Float[np.ndarray, "1+member image 2"],
) -> Hits:
    ensemble, members = tips[0], tips[1:]
    points = np.full((len(rows), 2), np.nan) if question.points is None else question.points[rows]
    near = np.linalg.norm(members - ensemble, axis=-1) <= NEAR * DIAGONAL
    return Hits(
        question.name,
        method,
        tip,
        ensemble=np.linalg.norm(ensemble - points, axis=-1) / DIAGONAL,
        members=np.linalg.norm(members - points, axis=-1) / DIAGONAL,
        inside=_inside(question, rows, ensemble),
        members_inside=np.stack([_inside(question, rows, each) for each in members]),
        certainty=near.mean(axis=0),
    )


def _inside(
    question: Question, rows: np.ndarray, tips: Float[np.ndarray, "image 2"]
) -> Float[np.ndarray, "image"]:
    """Returns 1 where a tip is in the mask, 0 where not, NaN without a mask or a tip."""
    if question.masks is None:
        return np.full(len(rows), np.nan)
    masks = question.masks[rows]
    height, width = masks.shape[1:]
    known = np.isfinite(tips).all(axis=1) & masks.any(axis=(1, 2))
    x, y = np.where(known[:, None], tips, 0).T
    columns = np.clip((x * width).astype(int), 0, width - 1)
    lines = np.clip((y * height).astype(int), 0, height - 1)
    return np.where(known, masks[np.arange(len(rows)), lines, columns], np.nan)


def _within(distances: Float[np.ndarray, "*lead image"], radius: float) -> np.ndarray:
    return np.where(np.isnan(distances), np.nan, distances <= radius)
