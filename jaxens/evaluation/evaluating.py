"""Scores an ensemble's explanations against what people marked: each member's, and the mean."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import UInt8

from jaxens import metrics
from jaxens.data.progress import Progress, no_progress
from jaxens.data.split import Split
from jaxens.ensemble.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.checksums import weights_checksum
from jaxens.evaluation.describing import describe
from jaxens.evaluation.examples import examples_of
from jaxens.evaluation.maps import Explainer, check_model
from jaxens.evaluation.meter import Meter
from jaxens.evaluation.question_result import QuestionResult
from jaxens.evaluation.questions import Explained, Question, choose_questions, with_same_maps
from jaxens.evaluation.results import Evaluation
from jaxens.evaluation.scoring import MethodScores, score_chance, score_questions
from jaxens.evaluation.settings import (
    ORDERS,
    PAPER_METHODS,
    MethodSettings,
    check_methods,
    group_methods,
    needs_background,
)
from jaxens.metrics import Protocol


def evaluate(
    ensemble: Ensemble,
    split: Split,
    *,
    methods: Sequence[str] | None = None,
    protocol: Protocol | None = None,
    tasks: Sequence[str] | None = None,
    explained: Explained = "label",
    settings: MethodSettings | None = None,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    orders: int = ORDERS,
    examples: bool = False,
    progress: Progress = no_progress,
) -> Evaluation:
    """Explains the images of a split, and scores the maps against masks and key points.

    Ind-Avg is the mean of the scores of the members' maps, or the score of the one member trained
    on all data where there is one. Ens-Avg is the score of the mean map. Maps do not leave the
    device.

    Pazzani et al. 2022, sections 4 and 5.

    Args:
        ensemble: The members that are explained.
        split: Images with labels, masks and key points.
        methods: Names in `attribution.METHODS` (default: those of the paper; GradientSHAP only
            with a `background`).
        protocol: How maps are scored (default: as in the paper).
        tasks: Names of the tasks to explain (default: all that have masks or key points).
        explained: "label" or "prediction": the class of each image that is explained.
        settings: How the methods are run.
        background: Training images that GradientSHAP starts from.
        orders: Number of random orders in which members join, for the scores by the ensemble's
            size.
        examples: Whether to keep the maps of three images of each question, for figures: those
            with the worst, the median and the best score.
        progress: Called with a description, the number of calls of the model per member that are
            done, and of all.

    Returns:
        Tables, figures and every score.

    Raises:
        UserError: If a method or task is unknown, a member gives NaN, or the split has no masks
            and key points of the tasks.
    """
    plan = plan_evaluation(
        ensemble,
        split,
        methods=methods,
        protocol=protocol,
        tasks=tasks,
        explained=explained,
        settings=settings,
        background=background,
        orders=orders,
    )
    return plan.run(progress, examples=examples)


@dataclass(frozen=True)
class EvaluationPlan:
    """An evaluation whose arguments are checked and whose questions are known."""

    ensemble: Ensemble
    split: Split
    questions: Sequence[Question]
    methods: Sequence[str]
    protocol: Protocol
    explained: Explained
    settings: MethodSettings
    background: UInt8[np.ndarray, "baseline height width 3"] | None
    orders: int
    run_name: str
    checkpoint: str

    def describe(self) -> str:
        """Describes every choice behind the scores, one per line."""
        count = 0 if self.background is None else len(self.background)
        choices = describe(
            self.methods, self.protocol, self.settings, self.ensemble, self.explained, count
        )
        if any(question.ignored is not None for question in self.questions):
            choices += (
                "\nIgnored in scores against masks: pixels that may or may not show the part."
            )
        return f"Images: {self.split.sample}.\n{choices}" if self.split.sample else choices

    def choices(self) -> dict[str, Any]:
        """Returns everything that the scores of this ensemble on this data set depend on."""
        return {
            "methods": list(self.methods),
            "questions": [question.name for question in self.questions],
            "truth": [question.part for question in self.questions],
            "explained": self.explained,
            "images": len(self.split),
            "sample": self.split.sample,
            "orders": self.orders,
            "run": self.run_name,
            "checkpoint": self.checkpoint,
            "weights_crc32": weights_checksum(self.ensemble),
            "protocol": asdict(self.protocol),
            **self.settings.choices(),
        }

    def run(
        self,
        progress: Progress = no_progress,
        on_result: Callable[[QuestionResult], None] | None = None,
        *,
        examples: bool = False,
    ) -> Evaluation:
        """Explains and scores.

        Args:
            progress: As for `evaluate`.
            on_result: Called with the result of each question when it is ready.
            examples: As for `evaluate`.
        """
        explainer = self._explainer(self.ensemble)
        baseline = None
        if self.ensemble.baseline is not None:
            baseline = self._explainer(self.ensemble.baseline_ensemble())
        meter = Meter(self.questions, self.methods, self.settings, progress)
        results: dict[str, QuestionResult] = {}
        kept = {}
        for group in with_same_maps(self.questions):
            all_scores = self._scores(explainer, baseline, group, meter)
            for question, scores in zip(group, all_scores, strict=True):
                chance = score_chance(self.split, question, self.protocol, self.settings.seed)
                result = QuestionResult.of(question, self.protocol, scores, chance)
                results[question.name] = result
                if on_result:
                    on_result(result)
                if examples and (shown := examples_of(explainer, self.split, result)):
                    kept[question.name] = shown
        in_order = tuple(results[question.name] for question in self.questions)
        return Evaluation(in_order, self.describe(), self.choices(), self.split.ids, kept)

    def _explainer(self, ensemble: Ensemble) -> Explainer:
        return Explainer(ensemble, self.split.images.shape[1], self.settings, self.background)

    def _scores(
        self,
        explainer: Explainer,
        baseline: Explainer | None,
        questions: Sequence[Question],
        meter: Meter,
    ) -> list[dict[str, MethodScores]]:
        """Returns the scores by method of each question of a group."""
        orders = metrics.member_orders(self.ensemble.members, self.orders, self.settings.seed)
        scores: list[dict[str, MethodScores]] = [{} for _ in questions]
        for methods in group_methods(self.methods):
            of_methods = score_questions(
                explainer,
                baseline,
                self.split,
                questions,
                methods,
                self.protocol,
                orders,
                meter.of(questions, methods),
            )
            for of_question, new in zip(scores, of_methods, strict=True):
                of_question.update(new)
        return [{method: each[method] for method in self.methods} for each in scores]


def plan_evaluation(
    ensemble: Ensemble,
    split: Split,
    *,
    methods: Sequence[str] | None = None,
    protocol: Protocol | None = None,
    tasks: Sequence[str] | None = None,
    explained: Explained = "label",
    settings: MethodSettings | None = None,
    background: UInt8[np.ndarray, "baseline height width 3"] | None = None,
    orders: int = ORDERS,
    run_name: str = "",
    checkpoint: str = "",
) -> EvaluationPlan:
    """Checks the arguments of `evaluate`, and lists the questions.

    `run_name` and `checkpoint` say where the ensemble is from, for `Evaluation.settings`. All other
    arguments are those of `evaluate`.

    Raises:
        UserError: As `evaluate` does.
    """
    protocol = protocol or Protocol()
    if methods is None:
        methods = [m for m in PAPER_METHODS if background is not None or not needs_background([m])]
    check_methods(methods, background)
    if protocol.correlation_size > split.images.shape[1]:
        raise UserError(
            f"`correlation_size` {protocol.correlation_size} is more than the images' "
            f"{split.images.shape[1]} px: choose a smaller one"
        )
    chosen, _ = choose_questions(ensemble, split, tasks, explained)
    check_model(ensemble, split.images[:2], methods)
    return EvaluationPlan(
        ensemble,
        split,
        chosen,
        tuple(methods),
        protocol,
        explained,
        settings or MethodSettings(),
        background,
        orders,
        run_name,
        checkpoint,
    )
