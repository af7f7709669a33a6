"""The terminal."""

from rich.console import Console, RenderableType
from rich.text import Text

from jaxens.cli.signals import SIGPIPE, Stopped, drop_output
from jaxens.names import visible


class _Terminal(Console):
    def on_broken_pipe(self) -> None:
        """Ends the command with a word, in place of Rich's silent exit: `train ... | head`."""
        self.quiet = True
        drop_output()
        raise Stopped("stopped, because its output is no longer read", SIGPIPE)


console = _Terminal(highlight=False)


def say(text: RenderableType) -> None:
    """Prints text as it is: long lines are not broken, brackets are not markup.

    Characters that can't be seen are escaped, so no name from a file moves the cursor.
    """
    shown = visible(text, keep="\n") if isinstance(text, str) else text
    console.print(shown, soft_wrap=True, markup=False)


def uncut(table: RenderableType, width: int) -> Text:
    """Draws a table of this width: a narrow terminal breaks its lines, but cuts no number."""
    wide = Console(
        width=width,
        force_terminal=console.is_terminal,
        color_system="standard" if console.is_terminal else None,
        highlight=False,
    )
    with wide.capture() as drawn:
        wide.print(table)
    return Text.from_ansi(drawn.get())
