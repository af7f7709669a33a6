"""Labels of jaxens next to those of adjustText and textalloc, on the same canvas."""

import numpy as np

from tests.reference.labels import COUNTS, Placed, compare


def test_labels_are_outside_overlap_and_cross_no_more_often_than_elsewhere():
    rows = {row["placed by"]: row for row in compare(12).to_dicts()}
    assert set(rows) == {"jaxens", "adjustText", "textalloc"}
    for count in COUNTS:
        assert rows["jaxens"][count] == 0
        assert all(row[count] < row["labels"] for row in rows.values())


def test_what_a_reader_minds_is_counted():
    """The second label leaves the canvas and is on the first and on the tip of the third."""
    labels = np.array([[0.0, 0, 30, 10], [20, 5, 120, 20], [50, 80, 70, 90]])
    starts, tips = (
        np.array([[0.0, 10], [30, 20], [60, 80]]),
        np.array([[40.0, 60], [0, 50], [90, 12]]),
    )
    assert Placed(labels, starts, tips, (100, 100)).counts() == (1, 1, 1, 1)
