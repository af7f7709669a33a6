"""A user's mistake is told in one line: what is wrong, where, and what to do about it."""

import sys


class UserError(Exception):
    """Something that the user can mend. The message names the thing and the remedy."""


def notice(message: str) -> None:
    """Tells of something that does not end the run."""
    print(f"jaxens: {message}", file=sys.stderr)
