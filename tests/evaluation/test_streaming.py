"""Chunks are read late, each once, and in their order."""

import numpy as np
import pytest

from jaxens.evaluation.streaming import streamed


class Late:
    """A result that tells when it is read, as one that is not computed yet would be waited for."""

    def __init__(self, rows, events):
        self.rows, self.events = rows, events

    def __array__(self, dtype=None, copy=None):
        self.events.append(f"read {self.rows[0]}")
        return self.rows * 10


@pytest.mark.parametrize("at_once", [1, 3, 7, 10])
def test_every_row_is_worked_on_and_told_of_once(at_once):
    done = []
    found = streamed(lambda rows: {"tens": rows * 10, "all": rows}, 7, at_once, done.append)
    np.testing.assert_array_equal(found["tens"], np.arange(7) * 10)
    np.testing.assert_array_equal(found["all"], np.arange(7))
    assert sum(done) == 7


def test_a_chunk_is_read_and_told_of_when_the_next_one_is_under_way():
    events = []

    def work(rows):
        events.append(f"work {rows[0]}")
        return Late(rows, events)

    streamed(work, 5, 2, lambda count: events.append(f"done {count}"))
    assert events == [
        *("work 0", "work 2", "read 0", "done 2"),
        *("work 4", "read 2", "done 2", "read 4", "done 1"),
    ]


def test_every_chunk_has_the_same_length():
    lengths = []
    streamed(lambda rows: lengths.append(len(rows)) or rows, 5, 3, lambda _: None)
    assert lengths == [3, 3]
