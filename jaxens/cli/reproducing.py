"""Shows a reproduction in the terminal."""

import contextlib
from collections.abc import Iterator

from jaxens.cli.console import say
from jaxens.cli.live import Live
from jaxens.reproduction.watch import Watch


class _Shown(Live, Watch):
    """The bars of a training, and a line before each experiment."""

    def experiment(self, name: str, number: int, total: int, seconds: float) -> None:
        say(f"{name}: experiment {number} of {total} ({seconds / 60:.1f} minutes so far)")

    def note(self, text: str) -> None:
        self.close()
        say(f"  {text}")


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Shows the progress of a reproduction, and closes its bars."""
    with contextlib.closing(_Shown()) as watch:
        yield watch
