"""Nests of objects and lists, as JSON and TOML hold them, with any one value replaced."""

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

OTHERS = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, -1, 10**18, 10**400, 2.5, float("nan"), float("inf"), [], {}, [[1]]]),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


def places(value: Any, where: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where the values in a nest of objects and lists are."""
    yield where
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from places(value[key], (*where, key))


def replaced(value: Any, where: tuple[Any, ...], other: Any) -> Any:
    """A copy of a nest with another value at one place."""
    if not where:
        return other
    copy = value.copy()
    copy[where[0]] = replaced(value[where[0]], where[1:], other)
    return copy
