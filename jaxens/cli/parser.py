"""What all commands share: a parser whose errors are one line, and an end that is one line."""

import argparse
import errno
from collections.abc import Callable
from typing import NoReturn

from jaxens.cli.compilation import keep_memory
from jaxens.errors import UserError, notice


class Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def __init__(self, command: str, description: str, epilog: str = ""):
        super().__init__(
            prog=f"python -m jaxens.{command}",
            description=description.strip().split("\n")[0],
            epilog=epilog,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}: see {self.prog} --help")


def positive(text: str) -> int:
    """A flag's value that counts something."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def natural(text: str) -> int:
    """A flag's value that is a seed."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0, not {text!r}")
    return int(text)


def above_zero(text: str) -> float:
    """A flag's value that is a size."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def main(command: Callable[[], None]) -> None:
    """Runs a command; a `UserError` or a full disk becomes one line and exit code 2."""
    keep_memory()
    try:
        command()
    except UserError as error:
        _leave(str(error))
    except KeyboardInterrupt:
        notice("stopped; what was saved is kept, and --resume goes on with a training run")
        raise SystemExit(130) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            where = f" while writing {error.filename}" if error.filename else ""
            _leave(f"the disk is full{where}: free some space or choose another folder")
        if error.filename is None:
            raise
        _leave(f"{error.filename}: {error.strerror}: choose a file or folder that can be used")


def _leave(message: str) -> NoReturn:
    notice(f"error: {message}")
    raise SystemExit(2) from None
