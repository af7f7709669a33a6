"""The result of one question: its scores, and the rows of its tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from jaxens.evaluation import rows, verdicts
from jaxens.evaluation.questions import Question
from jaxens.evaluation.rows import Chance, Row
from jaxens.evaluation.scoring import ChanceScores, MethodScores
from jaxens.metrics import Protocol


@dataclass(frozen=True)
class QuestionResult:
    """What the evaluation of one question gives.

    Attributes:
        question: The question.
        protocol: How maps are scored.
        scores: By method.
        chance_scores: By name of the chance-level map.
        rows: The rows of its tables.
        chance: Rows of chance-level maps.
    """

    question: Question
    protocol: Protocol
    scores: Mapping[str, MethodScores]
    chance_scores: Mapping[str, ChanceScores]
    rows: Sequence[Row]
    chance: Sequence[Chance]

    @classmethod
    def of(
        cls,
        question: Question,
        protocol: Protocol,
        scores: Mapping[str, MethodScores],
        chance: Mapping[str, ChanceScores],
    ) -> Self:
        """Returns the result of a question.

        Args:
            question: The question.
            protocol: How maps are scored.
            scores: By method, from `score_questions`.
            chance: From `score_chance`.
        """
        by_metric = {method: of_method.scores for method, of_method in scores.items()}
        return cls(
            question,
            protocol,
            scores,
            chance,
            rows.rows_of(question, by_metric),
            rows.chance_of(question, {name: each.scores for name, each in chance.items()}),
        )

    def title(self) -> str:
        """Describes the question in a line, and what has no score in further lines."""
        lines = verdicts.notes(self.question, self.rows, self.protocol)
        return "\n".join([verdicts.heading(self.question), *lines])
