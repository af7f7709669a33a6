"""Rows: the numbers and the marks of a table, as data and as text."""

import numpy as np
import pytest
from scipy import stats

from jaxens.attribution import METHODS
from jaxens.data.schema import Task
from jaxens.evaluation import rows
from jaxens.evaluation.questions import Question
from jaxens.evaluation.scoring import Scores
from jaxens.metrics import METRICS

CASES = 12


def scores(gain, seed=0):
    rng = np.random.default_rng(seed)
    individual = rng.uniform(0.2, 0.4, (3, CASES))
    ensemble = individual.mean(axis=0) + gain + rng.normal(0, 0.02, CASES)
    return Scores(individual, ensemble, individual[None])


@pytest.fixture
def question():
    return Question(
        "wing", Task.multiclass("wing", ("a",), ("wing",)), "wing", np.arange(CASES),
        np.zeros(CASES, np.int32), np.ones((CASES, 2, 2), bool), np.full((CASES, 2), 0.5),
    )  # fmt: skip


def row_of(question, metric, gain, method="saliency"):
    (row,) = rows.rows_of(question, {method: {metric: scores(gain)}})
    return row


def test_rows_are_by_metric_then_method_with_scipys_tests(question):
    by_method = {
        "grad_cam": {"distance": scores(-0.1, 1), "iou": scores(0.01, 2)},
        "saliency": {"distance": scores(0.002, 3), "iou": scores(0.05, 4)},
    }
    ordered = rows.rows_of(question, by_method)
    assert [(row.metric, row.method) for row in ordered] == [
        ("iou", "grad_cam"),
        ("iou", "saliency"),
        ("distance", "grad_cam"),
        ("distance", "saliency"),
    ]
    for row in ordered:
        both = by_method[row.method][row.metric]
        paired = stats.ttest_rel(both.ensemble, both.individual.mean(axis=0))
        assert row.comparison.p == pytest.approx(paired.pvalue, rel=1e-9)
    for pair in (ordered[:2], ordered[2:]):
        small, large = sorted(pair, key=lambda row: row.comparison.p)
        assert small.p_holm == pytest.approx(2 * small.comparison.p)
        assert large.p_holm == pytest.approx(max(large.comparison.p, small.p_holm))


@pytest.mark.parametrize(
    ("metric", "gain", "won"),
    [
        ("iou", 0.1, True),
        ("iou", -0.1, False),  # significant, but worse
        ("iou", 0.001, False),
        ("distance", -0.1, True),
        ("distance", 0.1, False),
    ],
)
def test_the_ensemble_wins_where_it_is_better_with_a_small_p(question, metric, gain, won):
    row = row_of(question, metric, gain)
    assert rows.won(row) == won
    text = rows.markdown("wing", [row], [])
    (line,) = (line for line in text.splitlines() if line.startswith("| Saliency"))
    assert (f"| **{row.comparison.mean_ensemble:.3f}**" in line) == won
    assert (r"\*\*" in line) == (row.comparison.p < 0.01)


@pytest.mark.parametrize(("metric", "sign"), [("iou", 1), ("distance", -1)])
def test_stars_of_a_loss_say_that_the_ensemble_is_worse(question, metric, sign):
    better, worse = (row_of(question, metric, gain * sign) for gain in (0.1, -0.1))
    assert rows.cells(better)[2].endswith("****")
    assert rows.cells(worse)[2].endswith("**** (worse)")
    assert r"\*\*\*\* (worse) |" in rows.markdown("wing", [worse], [])
    same = row_of(question, metric, 0.001 * sign)
    assert not rows.cells(same)[2].endswith((")", "*"))


def test_cells_are_the_comparison_rounded(question):
    row = row_of(question, "iou", 0.1)
    c = row.comparison
    cells = dict(zip(rows.HEADER, rows.cells(row), strict=True))
    assert cells["method"] == METHODS["saliency"].title
    assert float(cells["Ind-Avg"]) == pytest.approx(c.mean_individual, abs=5e-4)
    assert cells["Ens-Avg"].endswith("****")
    assert float(cells["Ens-Avg"].rstrip("*")) == pytest.approx(c.mean_ensemble, abs=5e-4)
    assert cells["difference [95 % CI]"] == f"{c.difference:+.3f} [{c.low:+.3f}, {c.high:+.3f}]"
    assert float(cells["d_z"]) == pytest.approx(c.d_z, abs=5e-3)
    assert float(cells["p (t)"]) == pytest.approx(c.p, rel=0.5)
    assert float(cells["p (members too)"]) == pytest.approx(row.crossed.p, rel=0.5)
    assert cells["n"] == str(CASES)


def test_what_is_not_determined_is_a_dash(question):
    same = np.full((2, CASES), 0.5)
    (row,) = rows.rows_of(question, {"saliency": {"iou": Scores(same, same[0], same[None])}})
    cells = dict(zip(rows.HEADER, rows.cells(row), strict=True))
    assert [cells[name] for name in ("d_z", "p (t)", "p (t, Holm)")] == ["–"] * 3
    assert cells["difference [95 % CI]"] == "+0.000"
    assert not rows.won(row)


def test_pixels_have_one_decimal(question):
    row = row_of(question, "intersection", 0.1)
    assert rows.cells(row)[1] == f"{row.comparison.mean_individual:.1f}"


def test_the_table_has_every_field_with_all_digits(question):
    row = row_of(question, "iou", 0.1)
    table = rows.table([row])
    (values,) = table.to_dicts()
    assert values["question"] == "wing"
    assert values["mean_ensemble"] == row.comparison.mean_ensemble
    assert values["p_holm"] == row.p_holm
    assert table.columns[:3] == ("question", "metric", "method")


def test_chance_is_the_mean_of_the_images_that_have_a_score(question):
    values = {"noise": {"iou": np.array([0.1, np.nan, 0.3]), "distance": np.full(3, np.nan)}}
    (chance,) = rows.chance_of(question, values)
    assert (chance.metric, chance.name, chance.n) == ("iou", "noise", 2)
    assert chance.mean == pytest.approx(0.2)
    assert rows.chance_table([chance]).rows == [("wing", "iou", "noise", chance.mean, 2)]
    cells = rows.chance_cells(chance)
    assert len(cells) == len(rows.HEADER)
    assert cells[:2] == ["chance: noise", "0.200"]
    assert cells[-1] == "2"


def test_metrics_keep_their_order_and_direction(question):
    ordered = rows.rows_of(question, {"saliency": {m: scores(0.1) for m in reversed(METRICS)}})
    assert [metric for metric, _ in rows.by_metric(ordered)] == list(METRICS)
    assert {METRICS[m].better for m in ("union", "distance")} == {"lower"}
    assert METRICS["iou"].better == "higher"
