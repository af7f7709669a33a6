"""Compares a row of the paper with ours: the direction, the significance, and a verdict."""

import math
from dataclasses import dataclass
from typing import Literal

from jaxens.metrics import METRICS, CrossedComparison
from jaxens.reproduction.experiments import Direction, Row

STARS = 0.01  # the lowest level of the paper's stars
P_VALUES = 0.05  # the level of its p-values in the text
Verdict = Literal["agrees", "agrees in direction only", "disagrees", "no counterpart"]
VERDICTS: tuple[Verdict, ...] = (
    "disagrees", "agrees in direction only", "agrees", "no counterpart",
)  # fmt: skip


@dataclass(frozen=True)
class Numbers:
    """Our numbers for a row of the paper. A value that the data do not determine is NaN.

    Attributes:
        ind_avg: The average of the individual members, or of the one trained on all data.
        ens_avg: Of the ensemble.
        p: The p-value of the paired t-test.
        n: Number of pairs that are tested.
        crossed: The bootstrap over images and members, where it applies.
        chance: The score of the best chance-level map, if there is one.
    """

    ind_avg: float
    ens_avg: float
    p: float
    n: int
    crossed: CrossedComparison | None = None
    chance: float | None = None


@dataclass(frozen=True)
class Comparison:
    """A row of the paper, with ours.

    Attributes:
        row: The row of the paper.
        ours: Our numbers; None if there are none.
    """

    row: Row
    ours: Numbers | None

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher score is better."""
        return self.row["metric"] == "auc" or METRICS[self.row["metric"]].higher_is_better

    @property
    def paper_direction(self) -> Direction:
        """Whether the paper's ensemble is better than its members."""
        if "direction" in self.row:
            return self.row["direction"]
        return _direction(self.row["ens_avg"] - self.row["ind_avg"], self.higher_is_better)

    @property
    def our_direction(self) -> Direction | None:
        """Whether our ensemble is better.

        Numbers that are printed alike are equal, unless their difference is significant.
        """
        if self.ours is None:
            return None
        numbers = (self.ours.ind_avg, self.ours.ens_avg)
        if any(map(math.isnan, numbers)):
            return None
        one, other = (round(number, digits(self.row["metric"])) for number in numbers)
        if one == other and not self.we_are_sure:
            return "equal"
        return _direction(numbers[1] - numbers[0], self.higher_is_better)

    @property
    def paper_is_sure(self) -> bool | None:
        """Whether the paper's row is significant; None if the paper has no test of it."""
        if "p" in self.row:
            return self.row["p"] < self.level
        return bool(self.row["stars"]) if "stars" in self.row else None

    @property
    def level(self) -> float:
        """The level of significance: that of the paper's stars, or of its p-values."""
        return P_VALUES if "p" in self.row else STARS

    @property
    def we_are_sure(self) -> bool:
        """Whether our p-value is below the level."""
        return self.ours is not None and self.ours.p < self.level

    @property
    def significance(self) -> str:
        """Compares the significance in words."""
        if self.our_direction is None:
            return "–"
        ours = "ours significant" if self.we_are_sure else "ours not significant"
        if self.paper_is_sure is None:
            return f"no test in the paper, {ours}"
        if self.paper_is_sure == self.we_are_sure:
            return "both significant" if self.we_are_sure else "neither significant"
        return f"the paper's {'' if self.paper_is_sure else 'not '}significant, {ours}"

    @property
    def verdict(self) -> Verdict:
        """What the comparison says.

        Rows agree in direction only if one of the two is significant and the other is not.
        """
        if self.our_direction is None:
            return "no counterpart"
        if self.our_direction != self.paper_direction:
            return "disagrees"
        if self.paper_is_sure is None or self.paper_is_sure == self.we_are_sure:
            return "agrees"
        return "agrees in direction only"


def digits(metric: str) -> int:
    """Returns how many decimals of a metric are printed."""
    return METRICS[metric].digits if metric in METRICS else 3


def _direction(difference: float, higher_is_better: bool) -> Direction:
    if difference == 0:
        return "equal"
    return "better" if (difference > 0) == higher_is_better else "worse"
