"""How a row of the paper is compared with ours."""

import pytest

from tests.reproduction.known import NAN, compared


@pytest.mark.parametrize(
    ("metric", "numbers", "direction"),
    [
        ("iou", (0.1, 0.2), "better"),
        ("iou", (0.2, 0.1), "worse"),
        ("correlation", (0.1, 0.1), "equal"),
        ("distance", (0.3, 0.2), "better"),
        ("distance", (0.2, 0.3), "worse"),
        ("intersection", (10, 20), "better"),
        ("union", (10, 20), "worse"),
        ("auc", (0.82, 0.86), "better"),
    ],
)
def test_the_direction_depends_on_the_metric(metric, numbers, direction):
    comparison = compared(numbers, numbers, metric)
    assert comparison.paper_direction == comparison.our_direction == direction
    assert comparison.verdict == "agrees"


def test_numbers_that_are_printed_alike_are_equal_unless_they_differ_significantly():
    assert compared((0.1, 0.2), (0.0996, 0.1004), p=0.2).our_direction == "equal"
    assert compared((0.1, 0.2), (0.0996, 0.1004), p=0.001).our_direction == "better"
    assert compared((0.1, 0.2), (0.1004, 0.1006), p=0.2).our_direction == "better"
    assert compared((9.0, 9.5), (9.0, 9.04), "intersection", p=0.2).our_direction == "equal"


@pytest.mark.parametrize(
    ("stars", "p", "ours", "significance", "verdict"),
    [
        ("****", 1e-6, (0.1, 0.2), "both significant", "agrees"),
        ("**", 1e-6, (0.1, 0.2), "both significant", "agrees"),
        ("", 0.3, (0.1, 0.2), "neither significant", "agrees"),
        (
            "****",
            0.02,
            (0.1, 0.2),
            "the paper's significant, ours not significant",
            "agrees in direction only",
        ),
        (
            "",
            0.001,
            (0.1, 0.2),
            "the paper's not significant, ours significant",
            "agrees in direction only",
        ),
        ("****", 1e-6, (0.2, 0.1), "both significant", "disagrees"),
        ("****", 0.5, (0.1, 0.1), "the paper's significant, ours not significant", "disagrees"),
        (None, 1e-6, (0.1, 0.2), "no test in the paper, ours significant", "agrees"),
        (None, 0.4, (0.2, 0.1), "no test in the paper, ours not significant", "disagrees"),
        ("****", NAN, (NAN, NAN), "–", "no counterpart"),
        ("****", 1e-6, None, "–", "no counterpart"),
    ],
)
def test_the_verdict_compares_direction_and_significance(stars, p, ours, significance, verdict):
    row = {} if stars is None else {"stars": stars}
    comparison = compared((0.1, 0.2), ours, p=p, **row)
    assert comparison.significance == significance
    assert comparison.verdict == verdict


def test_a_row_without_a_p_value_is_not_significant():
    """A single image has none."""
    assert not compared((0.1, 0.2), (0.1, 0.2), p=NAN, stars="**").we_are_sure


def test_a_p_value_in_the_text_is_compared_at_five_percent():
    row = compared((0.82, 0.86), (0.7, 0.8), "auc", p=0.04)
    row.row["p"] = 0.03
    assert row.paper_is_sure
    assert row.we_are_sure
    assert row.verdict == "agrees"


def test_a_direction_without_numbers_is_compared():
    assert compared(None, (0.1, 0.2), direction="better").verdict == "agrees"
    assert compared(None, (0.2, 0.1), direction="better").verdict == "disagrees"
