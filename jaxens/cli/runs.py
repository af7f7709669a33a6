"""A run that a command is given: a folder, or a URL whose local copy the command works on."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

from cyclopts import Parameter, Token

from jaxens.urls import is_url

P = ParamSpec("P")


def _place(kind: Any, tokens: Sequence[Token]) -> str | Path:
    text = tokens[0].value
    return text if is_url(text) else Path(text)


# What a command line names as a run. `with_local_run` makes a path of it.
RunFolder = Annotated[Path, Parameter(converter=_place)]


def with_local_run(command: Callable[Concatenate[Path, P], None]) -> Callable[..., None]:
    """Returns a command whose run may be at a URL: it is downloaded, and results are uploaded.

    Args:
        command: Its first argument is the local folder of the run.
    """

    @functools.wraps(command)
    def of_place(run: str | Path, /, *args: P.args, **kwargs: P.kwargs) -> None:
        from jaxens.cli.console import say
        from jaxens.runs.mirror import local_run, upload

        command(local_run(run), *args, **kwargs)
        if is_url(run):
            upload(run)
            say(f"what is new in the run is uploaded to {run}")

    return of_place
