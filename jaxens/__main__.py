"""Calls a command by its name: `jaxens train --members 11`, or `python -m jaxens train`."""

import importlib
import sys
from collections.abc import Sequence
from functools import partial

from jaxens import __version__
from jaxens.cli import signals

COMMANDS = {
    "train": "train an ensemble, and draw a few explanations",
    "plan": "tell what a training would need, before it starts",
    "evaluate": "score the explanations of a run against what people marked",
    "explain": "explain photos by a run, and draw the maps",
    "annotate": "draw labeled arrows: what a run sees in photos, and where",
    "report": "write one page about a run: its training, its explanations",
    "export": "write an ensemble as safetensors with a model card",
    "reproduce": "repeat the experiments of the paper",
    "data": "look at the images and labels of a data set",
    "bench": "measure speed",
}
MODULES = {"data": "jaxens.data.__main__"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the first argument names (default: the arguments of this process)."""
    signals.handle()  # before the imports
    from jaxens.cli.parser import run

    words = list(sys.argv[1:] if arguments is None else arguments)
    run(partial(_dispatch, words))


def _dispatch(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help"):
        print(f"Usage: jaxens COMMAND [OPTIONS]\n\n{_listed()}\n")
        print("Run jaxens COMMAND --help for the options of a command.")
    elif words[0] == "--version":
        print(f"jaxens {__version__}")
    elif words[0] not in COMMANDS:
        from jaxens.errors import UserError, remedy

        raise UserError(f"there is no command {words[0]}: {remedy(words[0], COMMANDS)}")
    else:
        module = MODULES.get(words[0], f"jaxens.{words[0]}")
        importlib.import_module(module).main(words[1:])


def _listed() -> str:
    return "\n".join(f"  {name:<10} {purpose}" for name, purpose in COMMANDS.items())


if __name__ == "__main__":
    main()
