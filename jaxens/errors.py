"""An error that the user can correct: one line that says what is wrong, where, and what to do."""

import difflib
import math
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in arguments, files or data. The message names the thing and the remedy.

    Arguments are in backticks, as in Python. A command shows `batch_size` as --batch-size.
    """


def check_number(
    argument: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    """Raises `UserError` if the value of an argument is not finite or lies outside its range."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"`{argument}` must be a finite number, not {value}")
    if least is not None and value < least:
        raise UserError(f"`{argument}` must be at least {least}, not {value}")
    if above is not None and value <= above:
        raise UserError(f"`{argument}` must be above {above}, not {value}")
    if most is not None and value > most:
        raise UserError(f"`{argument}` must be at most {most:,}, not {value:,}")
    if below is not None and value >= below:
        raise UserError(f"`{argument}` must be below {below}, not {value}")


def check_names(argument: str, names: tuple[str, ...]) -> None:
    """Raises `UserError` if a list of names has one twice."""
    if len(set(names)) < len(names):
        raise UserError(f"`{argument}` names one twice ({', '.join(names)}): name each once")


def remedy(name: str, known: Iterable[str]) -> str:
    """Returns the advice for an unknown name: the nearest known one, or else all of them."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"choose from {', '.join(known)}"
