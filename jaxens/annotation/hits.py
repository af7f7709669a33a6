"""Tables and figures that show how often arrows hit, for each method and each rule for tips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.figure import Figure

from jaxens.annotation.rules import NEAR
from jaxens.metrics import compare
from jaxens.tables import Table

RADII = (0.05, 0.1, 0.2)  # of the diagonal
BINS = 5  # of the certainty


@dataclass(frozen=True)
class Hits:
    """Where the tips for one question lie, by one method and one rule.

    Only images for which the ensemble predicts the label are in it, except in `unmarked`.

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
        unmarked: Of each arrow that would be drawn, right or wrong, whether its image lacks the
            part: it has no mask and no key point of it.
    """

    question: str
    method: str
    tip: str
    ensemble: Float[np.ndarray, "image"]
    members: Float[np.ndarray, "member image"]
    inside: Float[np.ndarray, "image"]
    members_inside: Float[np.ndarray, "member image"]
    certainty: Float[np.ndarray, "image"]
    unmarked: Bool[np.ndarray, "arrow"]

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
        cells += [compared.mean_individual, compared.mean_ensemble, p]
        lacking = float(self.unmarked.mean()) if len(self.unmarked) else float("nan")
        return (*cells, len(self.unmarked), lacking)


COLUMNS = (
    "question", "method", "tip", "images",
    *(f"{of} within {radius:.0%}" for radius in RADII for of in ("member", "ensemble")),
    "member in the mask", "ensemble in the mask", f"p within {NEAR:.0%}",
    "arrows shown", "shown to a part that the image lacks",
)  # fmt: skip


def hits_table(hits: Sequence[Hits]) -> Table:
    """Returns a row for each question, method and rule, and those of all questions together.

    The shares are of tips within 5, 10 and 20 % of the diagonal of the key point, and in the mask:
    the mean over members, and the ensemble. p is the paired t-test of the hits within 10 %. The
    last two columns are of all arrows that would be drawn: their number, and the share of those
    that point at a part that the image lacks.
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
    arrays = ("ensemble", "members", "inside", "members_inside", "certainty", "unmarked")
    joined = {
        name: np.concatenate([getattr(each, name) for each in chosen], axis=-1) for name in arrays
    }
    return Hits("all", method, tip, **joined)


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


def _within(distances: Float[np.ndarray, "*lead image"], radius: float) -> np.ndarray:
    return np.where(np.isnan(distances), np.nan, distances <= radius)
