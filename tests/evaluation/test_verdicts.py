"""An evaluation says what was left out and why, what scores better, and which chance map does."""

import numpy as np
import pytest

from jaxens.data.schema import Task
from jaxens.evaluation import verdicts
from jaxens.evaluation.question_result import QuestionResult
from jaxens.evaluation.questions import Question
from jaxens.evaluation.rows import Chance, rows_of
from jaxens.evaluation.scoring import CHANCE, GAUSSIAN, RANDOM, MethodScores, Scores
from jaxens.metrics import Protocol

NAN = np.nan
INDIVIDUAL = np.array([[0.1, NAN, NAN, 0.3], [0.2, 0.5, NAN, 0.1]])
ENSEMBLE = np.array([0.3, 0.4, NAN, 0.4])


def question_of(masks, points, **changes):
    task = Task.multiclass("wing", ("a", "b"), ("wing",))
    count = len(points if masks is None else masks)
    fields = {"name": "wing", "part": "wing", "left_out": {"no label": 3}} | changes
    return Question(
        task=task, images=np.arange(count), targets=np.zeros(count, np.int32), masks=masks,
        points=points, **fields,
    )  # fmt: skip


def result_of(question, metrics, methods=("saliency",), ensemble=ENSEMBLE):
    scores = Scores(INDIVIDUAL, ensemble, INDIVIDUAL[None])
    by_method = {m: MethodScores(dict.fromkeys(metrics, scores), {}) for m in methods}
    return QuestionResult.of(question, Protocol(metrics=tuple(metrics)), by_method, {})


def test_a_title_counts_what_is_left_out_by_metric_and_reason():
    points = np.array([[0.5, 0.5], [0.5, 0.5], [NAN, NAN], [0.5, 0.5]])
    result = result_of(question_of(np.ones((4, 2, 2), bool), points), ["distance"])
    (row,) = result.rows
    assert (row.comparison.n, row.comparison.left_out) == (3, 1)
    assert (row.no_truth, row.some_members) == (1, 1)
    assert result.title().split("\n") == [
        "wing, truth: wing, 4 images; left out: 3 with no label",
        "distance: left out 1 with no key point",
        "distance of Saliency: 1 compared without the members whose maps have no score",
    ]


def test_a_mask_that_fills_the_image_is_the_reason_and_not_the_map():
    masks = np.eye(16, dtype=bool)[:4].reshape(4, 4, 4)
    masks[2] = True
    result = result_of(question_of(masks, None, left_out={}), ["correlation"])
    assert result.title().split("\n") == [
        "wing, truth: wing, 4 images",
        "correlation: left out 1 with a mask that fills the image",
        "correlation of Saliency: 1 compared without the members whose maps have no score",
    ]


def test_what_is_the_same_for_several_rows_is_one_line_and_nothing_counts_zero():
    masks = np.eye(16, dtype=bool)[:4].reshape(4, 4, 4)
    result = result_of(question_of(masks, None), ["iou", "union"], ["saliency", "lime"])
    title = result.title()
    assert title.split("\n")[1:] == [
        "IoU, union of Saliency, LIME: left out 1 whose maps have no score",
        "IoU, union of Saliency, LIME: 1 compared without the members whose maps have no score",
    ]
    assert " 0 " not in title


@pytest.mark.parametrize(
    ("masks", "points", "sentence"),
    [
        (None, np.full((4, 2), 0.5), "not scored: IoU, correlation, because wing has no masks"),
        (np.eye(4, dtype=bool)[None].repeat(4, 0), None,
         "not scored: distance, because wing has no key points"),
    ],
)  # fmt: skip
def test_a_metric_without_truth_is_named(masks, points, sentence):
    protocol = Protocol(metrics=("iou", "correlation", "distance"))
    assert verdicts.notes(question_of(masks, points), [], protocol) == [sentence]


@pytest.mark.parametrize("metric", ["iou", "distance"])
@pytest.mark.parametrize(
    ("gaussian", "random", "winner"),
    [(-0.1, -0.2, None), (0.1, -0.2, GAUSSIAN), (-0.1, 0.2, RANDOM), (0.1, 0.2, RANDOM),
     (0.2, 0.1, GAUSSIAN)],
)  # fmt: skip
def test_the_chance_map_that_wins_is_named(metric, gaussian, random, winner):
    sign = 1 if metric == "iou" else -1
    draw = np.random.default_rng(0)
    individual = draw.uniform(0.4, 0.5, (2, 30))
    ensemble = individual.mean(axis=0) + draw.normal(0, 0.01, 30)
    question = question_of(np.eye(4, dtype=bool)[None].repeat(30, 0), np.full((30, 2), 0.5))
    rows = rows_of(question, {"saliency": {metric: Scores(individual, ensemble, individual[None])}})
    mean = rows[0].comparison.mean_ensemble
    chance = [
        Chance("wing", metric, name, mean + sign * gain, 30)
        for name, gain in ((GAUSSIAN, gaussian), (RANDOM, random))
    ]
    summary = verdicts.summary(rows, chance)
    for name, words in CHANCE.items():
        assert (f"no better than {words}: Saliency on wing" in summary) == (name == winner)


def test_hostile_names_stay_on_their_line():
    name = "\x1b[2J\n[/red]" + "x" * 10_000
    masks = np.eye(16, dtype=bool)[:4].reshape(4, 4, 4)
    result = result_of(question_of(masks, None, name=name, part=name), ["iou"])
    assert len(result.title().split("\n")) == 3
    assert len(result.title()) < 500
    assert "\x1b" not in result.title() + verdicts.summary(result.rows, [])
