"""How the library reports progress."""

from collections.abc import Callable

# Called with a description, the number of items done so far, and of all items.
Progress = Callable[[str, int, int], None]


def no_progress(description: str, done: int, total: int) -> None:
    """Ignores progress."""
