"""Work in chunks: each row is computed once, and results do not depend on the chunk size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.chunks import in_chunks, in_chunks_to_host

ROWS = np.arange(14.0, dtype=np.float32).reshape(7, 2)
CHUNKS = [None, 1, 3, 7, 100]


def squares_and_draws(rows, target, keys):
    return {"square": rows**2 + target, "drawn": jax.vmap(jax.random.normal)(keys)}


@pytest.mark.parametrize("as_array", [np.asarray, jnp.asarray])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_the_result_is_that_of_one_call(chunk, as_array):
    keys = jax.random.split(jax.random.key(0), 7)
    whole = squares_and_draws(ROWS, 2, keys)
    result = in_chunks(squares_and_draws, chunk, as_array(ROWS), 2, keys)
    np.testing.assert_array_equal(result["square"], whole["square"])
    np.testing.assert_array_equal(result["drawn"], whole["drawn"])


@pytest.mark.parametrize("chunk", CHUNKS)
def test_the_result_is_the_same_inside_of_jit(chunk):
    keys = jax.random.split(jax.random.key(0), 7)
    whole = squares_and_draws(ROWS, 2, keys)
    jitted = jax.jit(lambda *args: in_chunks(squares_and_draws, chunk, *args))
    result = jitted(ROWS, 2, keys)
    np.testing.assert_array_equal(result["square"], whole["square"])
    np.testing.assert_allclose(result["drawn"], whole["drawn"], rtol=1e-6)


@pytest.mark.parametrize("chunk", CHUNKS)
def test_each_argument_and_the_result_may_have_another_row_axis(chunk):
    weights = np.arange(7.0, dtype=np.float32)

    def function(columns, weights):
        return {"product": (columns * weights[None])[:, :, None]}

    result = in_chunks(function, chunk, ROWS.T, weights, axis=(1, 0), out_axis=1)
    np.testing.assert_array_equal(result["product"], (ROWS.T * weights)[:, :, None])


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("chunk", CHUNKS)
def test_combined_results_count_every_row_once(chunk, jit):
    def total(rows):
        return in_chunks(lambda rows: rows.sum(axis=0), chunk, rows, combine=jnp.add)

    np.testing.assert_array_equal((jax.jit(total) if jit else total)(ROWS), ROWS.sum(axis=0))


def shapes_of_calls(chunk, transform=lambda function: function, **settings):
    shapes = []

    def function(rows):
        shapes.append(rows.shape)
        return rows

    transform(lambda rows: in_chunks(function, chunk, rows, **settings))(ROWS)
    return shapes


def test_every_call_outside_of_jit_has_the_same_shape():
    assert shapes_of_calls(3) == [(3, 2)] * 3


def test_the_last_call_is_smaller_inside_of_jit_and_if_results_are_combined():
    assert shapes_of_calls(3, jax.jit) == [(3, 2), (3, 2), (1, 2)]
    combine = lambda a, b: a[:1] + b[:1]  # noqa: E731
    assert shapes_of_calls(3, combine=combine) == [(3, 2), (3, 2), (1, 2)]


def test_arguments_without_a_row_axis_are_not_traced():
    traced = []

    def function(rows, target):
        traced.append(isinstance(target, jax.core.Tracer))
        return rows + target

    jax.jit(lambda rows: in_chunks(function, 3, rows, np.array(2.0, np.float32)))(ROWS)
    assert traced == [False] * 3


def memory_of_work_on_rows(chunk, combine):
    """Bytes that XLA plans for 64 rows, each of which needs an array of 400 kB."""

    def function(rows):
        waves = jnp.sort(jnp.sin(rows[:, None] * jnp.arange(100_000.0)[None]), axis=1)
        return waves.sum() if combine else waves.sum(axis=1)

    @jax.jit
    def total(rows):
        return in_chunks(function, chunk, rows, combine=jnp.add if combine else None)

    compiled = total.lower(jnp.ones(64)).compile()
    return compiled.memory_analysis().temp_size_in_bytes


@pytest.mark.parametrize("combine", [False, True])
def test_chunks_bound_memory_inside_of_jit(combine):
    assert memory_of_work_on_rows(4, combine) < memory_of_work_on_rows(None, combine) / 8


def test_arguments_that_members_share_stay_shared_by_them():
    """Outside of `jit`, only what `vmap` maps over is traced."""
    traced = []

    def member(weight):
        def function(rows):
            traced.append(isinstance(rows, jax.core.Tracer))
            return weight * rows

        return in_chunks(function, 4, ROWS)

    results = jax.vmap(member)(jnp.array([1.0, np.nan, 3.0]))
    assert traced == [False, False]
    np.testing.assert_array_equal(results[2], 3 * ROWS)


def test_a_result_in_chunks_has_a_gradient():
    def total(rows):
        return in_chunks(lambda rows: rows**2, 3, rows).sum()

    np.testing.assert_array_equal(jax.grad(total)(ROWS), 2 * ROWS)


def test_arguments_of_different_lengths_and_empty_chunks_are_refused():
    with pytest.raises(ValueError, match=r"have \[6, 7\] rows"):
        in_chunks(lambda *x: x, 2, ROWS, ROWS[:6])
    with pytest.raises(ValueError, match="have 0 rows: give at least one"):
        in_chunks(lambda *x: x, 2, ROWS[:0])
    for chunk in (0, -2):
        with pytest.raises(ValueError, match=f"chunk is {chunk}: give at least 1"):
            in_chunks(lambda *x: x, chunk, ROWS)


@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_host_results_have_every_row_once(chunk):
    advances = []
    results = in_chunks_to_host(
        lambda rows: {"tens": rows * 10, "jax": jnp.asarray(rows)}, chunk, 7, advances.append
    )
    np.testing.assert_array_equal(results["tens"], np.arange(7) * 10)
    np.testing.assert_array_equal(results["jax"], np.arange(7))
    assert isinstance(results["jax"], np.ndarray)
    assert sum(advances) == 7


@pytest.mark.parametrize("chunk", [1, 3, 7, 10])
def test_host_results_may_have_another_row_axis(chunk):
    results = in_chunks_to_host(lambda rows: np.stack([rows, -rows]), chunk, 7, axis=1)
    np.testing.assert_array_equal(results, [np.arange(7), -np.arange(7)])


def test_each_chunk_can_be_reduced_before_it_is_kept():
    lengths = []

    def total(result):
        lengths.append(len(result))
        return result.sum(axis=1)

    results = in_chunks_to_host(lambda rows: rows[:, None] + np.arange(2), 3, 7, read=total)
    np.testing.assert_array_equal(results, 2 * np.arange(7) + 1)
    assert lengths == [3, 3, 1]  # not the rows that fill up the last chunk


class Late:
    """A result that records when it is read, which is when a device array is waited for."""

    def __init__(self, rows, events):
        self.rows, self.events = rows, events

    def __array__(self, dtype=None, copy=None):
        self.events.append(f"read {self.rows[0]}")
        return self.rows * 10


def test_a_chunk_is_read_after_the_next_one_has_started():
    events = []

    def work(rows):
        events.append(f"work {rows[0]}")
        return Late(rows, events)

    in_chunks_to_host(work, 2, 5, lambda count: events.append(f"done {count}"))
    assert events == [
        *("work 0", "work 2", "read 0", "done 2"),
        *("work 4", "read 2", "done 2", "read 4", "done 1"),
    ]


def test_every_call_for_the_host_has_the_same_shape():
    lengths = []
    in_chunks_to_host(lambda rows: lengths.append(len(rows)) or rows, 3, 5)
    assert lengths == [3, 3]
