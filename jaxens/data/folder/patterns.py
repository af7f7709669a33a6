"""Matches names with a pattern that a stranger may have written, in a bounded time."""

import json
import subprocess
import sys
from collections.abc import Sequence

MOST_SECONDS = 20

# Some patterns backtrack for ever, and Python can't stop a match that runs: but a process.
_MATCH = """
import json, re, sys
pattern, names = json.load(sys.stdin)
matches = map(re.compile(pattern).fullmatch, names)
json.dump([(match[1] or "") if match else "" for match in matches], sys.stdout)
"""


def first_groups(pattern: str, names: Sequence[str]) -> list[str]:
    """Returns what the first group of a pattern matches in each name; "" if nothing.

    Args:
        pattern: A valid regular expression with a group, for whole names.
        names: The names.

    Raises:
        TimeoutError: If it takes more than `MOST_SECONDS`, or dies.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCH],
            input=json.dumps([pattern, names]),
            capture_output=True,
            encoding="ascii",
            timeout=MOST_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError:  # also where it takes all memory
        raise TimeoutError(f"{pattern!r} takes more than {MOST_SECONDS} seconds") from None
    groups: list[str] = json.loads(done.stdout)
    return groups
