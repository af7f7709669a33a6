"""From a command line to a function call. Every mistake ends as one line and exit code 2."""

import contextlib
import errno
import logging
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

from cyclopts import App, CycloptsError, Parameter, Token, convert
from cyclopts.exceptions import UnusedCliTokensError

from jaxens.cli import signals
from jaxens.cli.encoding import print_anything
from jaxens.errors import UserError
from jaxens.names import shorten
from jaxens.urls import is_url

LONGEST_LINE = 2000  # characters of an error or a warning

# Receives the app, its commands and the flags of the command line.
Values = Callable[[App, tuple[str, ...], Any], None]
# A parameter whose fields are flags.
FLAT = Parameter(name="*")
# A list whose default is shown as a command line would give it.
JOINED = Parameter(show_default=" ".join)


def call(
    command: Callable[..., Any],
    arguments: Sequence[str] | None = None,
    *,
    name: str,
    values: Values | None = None,
) -> Any:
    """Calls a command with what its command line says.

    Args:
        command: Its parameters are the flags; positional ones come without a flag.
        arguments: The words after the command's name (default: those of this process).
        name: The name of the command, as in `python -m jaxens.train`.
        values: Fills in flags that the command line lacks, from a file for example.

    Raises:
        UserError: Names the flag, and a near miss where there is one.
    """
    app = App(
        name=f"python -m jaxens.{name}",
        help=(command.__doc__ or "").split("\n")[0],
        version_flags=[],
        config=[values] if values else [],
        default_parameter=Parameter(
            consume_multiple=True,
            negative_iterable=(),
            allow_repeating=True,
            converter=_convert,
        ),
        result_action="return_value",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,  # `run` says what is kept
    )
    app.default(command)
    words = sys.argv[1:] if arguments is None else [str(word) for word in arguments]
    try:
        return app(words, exit_on_error=False, print_error=False)
    except UserError as error:
        raise UserError(with_flags(str(error))) from error
    except UnusedCliTokensError as error:
        unused = " ".join(error.unused_tokens or ())
        raise UserError(f"unexpected argument {unused}: see {app.name[0]} --help") from None
    except CycloptsError as error:
        message = " ".join(str(error).split()).removesuffix(".")
        raise UserError(f"{message}: see {app.name[0]} --help") from None


def with_flags(message: str) -> str:
    """Replaces arguments in backticks by flags: `batch_size` by --batch-size."""
    return re.sub(r"`(\w+)`", lambda match: "--" + match[1].replace("_", "-"), message)


def _convert(kind: Any, tokens: Sequence[Token]) -> Any:
    """As cyclopts converts, but 2.5 is not a whole number, and a URL is not a path."""
    for token in tokens if Path in (kind, *get_args(kind)) else ():
        if isinstance(token, Token) and is_url(token.value):
            raise ValueError(f"{token.value} is a URL: name a local file or folder")
    whole = kind is int or int in get_args(kind)
    for token in tokens if whole else ():
        if not isinstance(token, Token) or not token.value.lstrip("+-").isdecimal():
            raise ValueError(f"{token.value!r} is not a whole number")
    return convert(kind, tokens)


def run(command: Callable[[], Any]) -> None:
    """Runs a command as this process.

    A `UserError` becomes one line and exit code 2, and a signal one line and the shell's code.
    """
    print_anything()
    with signals.handled(), _log_lines():
        try:
            command()
        except UserError as error:
            _leave(str(error))
        except KeyboardInterrupt as stop:
            what = "; ".join([str(stop) or "stopped", *getattr(stop, "__notes__", ())])
            print(f"jaxens: {with_flags(what)}", file=sys.stderr)
            signals.leave(getattr(stop, "code", 130))
        except BrokenPipeError:  # of --help, for example
            signals.drop_output()
            signals.leave(128 + signals.SIGPIPE)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                where = f" while writing {error.filename}" if error.filename else ""
                _leave(f"the disk is full{where}: free some space or choose another folder")
            if error.strerror is None:  # no word of the system: an error of ours
                raise
            if error.filename is None:
                what = f"the system reports: {error.strerror}"
                _leave(f"{what}: check disk, memory and limits, and try again")
            _leave(f"{error.filename}: {error.strerror}: choose a file or folder that can be used")


@contextlib.contextmanager
def _log_lines() -> Iterator[None]:
    """Shows the library's warnings as lines on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("jaxens: %(message)s"))
    logger = logging.getLogger("jaxens")
    logger.addHandler(handler)
    # A handler of the root logger, as some library adds it, would show names unescaped.
    propagate, logger.propagate = logger.propagate, False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


class _OneLine(logging.Formatter):
    """Shows a warning as one line, also if a name in it contains line ends, with its flags."""

    def format(self, record: logging.LogRecord) -> str:
        return shorten(with_flags(super().format(record)), LONGEST_LINE)


def _leave(message: str) -> NoReturn:
    print(f"jaxens: error: {shorten(message, LONGEST_LINE)}", file=sys.stderr)
    raise SystemExit(2) from None
