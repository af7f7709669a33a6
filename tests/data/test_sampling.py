"""A sample has the proportions of the labels, and the same seed gives the same one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxens.data.sampling import stratified


def labels_of(counts, seed=0):
    """Labels of a first task, sorted by class as in a file, and of two that do not depend on it."""
    draw = np.random.default_rng(seed)
    first = np.repeat(np.arange(len(counts)), counts)
    second, marks = draw.integers(0, 2, len(first)), draw.integers(-1, 2, (len(first), 3))
    return {"first": first, "second": second, "marks": marks}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(1, 200), st.integers(0, 9))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_every_class_has_its_share_rounded_up_or_down(counts, count, seed):
    labels = labels_of(counts)
    rows = stratified(labels, count, seed)
    total = sum(counts)
    assert len(rows) == min(count, total)
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows.min() <= rows.max() < total
    for k, of_class in enumerate(counts):
        share = of_class * len(rows) / total
        assert abs((labels["first"][rows] == k).sum() - share) < 1 + 1e-9
    np.testing.assert_array_equal(rows, stratified(labels, count, seed))


def test_the_labels_of_a_second_task_have_about_their_shares():
    labels = labels_of([100, 300])
    for seed in range(5):
        rows = stratified(labels, 40, seed)
        for k in range(2):
            of_class = labels["first"] == k
            share = labels["second"][of_class].mean()
            assert abs(labels["second"][rows][of_class[rows]].mean() - share) < 0.11


def test_every_image_is_equally_likely():
    labels = labels_of([5, 20, 15])
    taken = np.zeros(40)
    for seed in range(2000):
        taken[stratified(labels, 10, seed)] += 1
    np.testing.assert_allclose(taken / 2000, 0.25, atol=0.05)
