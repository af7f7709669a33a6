"""Looks at a data set: images with their labels, masks, key points and boxes.

    python -m jaxens.data browse --data cub --data-dir FOLDER --out page.png

shows at a glance whether the truth is where it belongs before anything is trained on it.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from jaxens.cli import parser
from jaxens.data.settings import Data
from jaxens.errors import UserError, check_number


def browse(
    *,
    out: Path = Path("page.png"),
    split: Literal["train", "val", "test"] = "test",
    images: int = 40,
    settings: Annotated[Data, parser.FLAT] = Data(),
) -> None:
    """Draw a page of a data set: images with their labels, masks, key points and boxes.

    Args:
        out: file to write
        split: which images
        images: how many, evenly spaced
    """
    check_number("--images", images, least=1)

    from jaxens import viz
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data.opening import open_data
    from jaxens.data.source import evenly_spaced, load
    from jaxens.evaluation.browsing import split_figure
    from jaxens.names import shorten

    with bar() as progress:
        data = open_data(settings, progress)
        loaded = load(getattr(data, split), progress)
    shown = loaded.take(evenly_spaced(images, len(loaded)))
    name = Path(settings.data_dir).resolve().name if settings.data_dir else settings.source
    say(f"{viz.save(split_figure(shown, shorten(name)), out)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the action that the first argument names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print("Usage: python -m jaxens.data browse [OPTIONS]")
        print("\n  browse  draw a page of images with their labels and marks")
    elif words[0] == "browse":
        parser.call(browse, words[1:], name="data browse")
    else:
        raise UserError(f"there is no action {words[0]!r}: choose browse")


if __name__ == "__main__":
    parser.run(main)
