"""What a reproduction gave: the rows of each experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jaxens.reproduction.comparing import Comparison
from jaxens.reproduction.experiments import Experiment
from jaxens.reproduction.measuring import LabelAuc, SizeCurve
from jaxens.reproduction.session import Session
from jaxens.reproduction.wording import counts


@dataclass(frozen=True)
class Outcome:
    """What an experiment gave.

    Attributes:
        experiment: The experiment.
        rows: The rows of the paper, with ours.
        curves: Scores by the size of the ensemble, by (method, metric).
        labels: The areas under the ROC curve of each label.
        error: Why the experiment failed, in a line; empty if it did not.
    """

    experiment: Experiment
    rows: Sequence[Comparison]
    curves: Mapping[tuple[str, str], SizeCurve] = field(default_factory=dict)
    labels: Sequence[LabelAuc] = ()
    error: str = ""


@dataclass(frozen=True)
class Reproduction:
    """What `reproduce` returns.

    Attributes:
        outcomes: One per experiment.
        session: Where the results are.
        stand_in: Whether the data are those of the stand-in.
    """

    outcomes: Sequence[Outcome]
    session: Session
    stand_in: bool

    @property
    def failed(self) -> list[Outcome]:
        """The experiments that failed."""
        return [outcome for outcome in self.outcomes if outcome.error]

    def summary(self) -> str:
        """Counts the rows that agree and disagree with the paper, in a line."""
        rows = [row for outcome in self.outcomes for row in outcome.rows]
        counted = ", ".join(words for _, words in counts(rows))
        return f"of {len(rows)} rows of the paper, {counted}"
