"""A user's mistake is told in one line: what is wrong, where, and what to do about it."""

import errno
import sys
from collections.abc import Callable


class UserError(Exception):
    """Something that the user can mend. The message names the thing and the remedy."""


def main(command: Callable[[], None]) -> None:
    """Runs a command; a `UserError` or a full disk becomes one line and exit code 2."""
    try:
        command()
    except UserError as error:
        sys.exit(_line(str(error)))
    except KeyboardInterrupt:
        print("\njaxens: stopped", file=sys.stderr)
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" while writing {error.filename}" if error.filename else ""
        sys.exit(_line(f"the disk is full{where}: free some space or choose another folder"))


def _line(message: str) -> int:
    print(f"jaxens: error: {message}", file=sys.stderr)
    return 2
