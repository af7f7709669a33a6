"""Describes, prepares and shows a data set.

    python -m jaxens.data describe FOLDER
    python -m jaxens.data prepare --data folder --data-dir FOLDER
    python -m jaxens.data browse --data folder --data-dir FOLDER --out page.png

shows at a glance whether the truth is where it belongs before anything is trained on it.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts.config import Dict

from jaxens.cli import parser, signals
from jaxens.data.settings import Data
from jaxens.errors import UserError, check_number, remedy


def describe(
    folder: Path | None = None,
    /,
    *,
    out: Path | None = None,
    sheet: Path = Path("page.png"),
    images: int = 24,
    settings: Annotated[Data, parser.FLAT] = Data(),
) -> None:
    """Show what a data set holds; propose the dataset.toml of a folder that has none.

    Args:
        folder: your own folder of photos, instead of --data and --data-dir
        out: file for the proposed dataset.toml (default: in the folder, if there is none)
        sheet: file for a page of images with their labels, masks, key points and boxes
        images: how many are on the page, evenly spaced over all splits
    """
    check_number("images", images, least=1)
    from jaxens import viz
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data import describing
    from jaxens.data.folder.listing import check_is_no_photo
    from jaxens.data.folder.proposing import write_proposal
    from jaxens.data.folder.survey import survey
    from jaxens.data.folder.unused import name_unused
    from jaxens.evaluation.browsing import photos_figure, sources_figure
    from jaxens.files import with_home

    signals.work_begins()
    check_is_no_photo("sheet", sheet, settings)
    root = with_home(settings.data_dir) if settings.source == "folder" else None
    if out is not None and (root is None or settings.layout):
        what = "`out` is for the dataset.toml of a folder"
        raise UserError(f"{what}: name the folder, and no `layout`, or omit `out`")
    with bar() as progress:
        try:
            if root is not None and not settings.layout:
                written = write_proposal(root, out, say)
                settings = replace(settings, layout=str(written or ""))
            data = describing.open_whole(settings, say, progress)
            description = describing.describe(data, progress)
        except UserError:
            if root is not None and root.is_dir():
                found = survey(root, progress)
                say(f"{found}\n{name_unused(root, settings.layout)}")
                if photos := found.some(images, settings.image_size):
                    say(f"{viz.save(photos_figure(photos, found.name), sheet)}")
            raise
    say(f"{description}\n{name_unused(root, settings.layout) if root is not None else ''}")
    splits, share = (data.train, data.val, data.test), -(-images // 3)
    say(f"{viz.save(sources_figure(splits, share, description.name), sheet)}")


def prepare(*, settings: Annotated[Data, parser.FLAT] = Data()) -> None:
    """Prepare a data set: read and check every photo once, and write records into the cache.

    What was interrupted starts anew; nobody uses records that are not whole.
    """
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data.opening import open_data

    signals.work_begins()
    with bar() as progress:
        data = open_data(settings, progress)
    counts = ", ".join(f"{s.split} {len(s):,}" for s in (data.train, data.val, data.test))
    say(f"{data.train.folder}: {counts}")


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
    check_number("images", images, least=1)

    from jaxens import viz
    from jaxens.cli.console import say
    from jaxens.cli.progress import bar
    from jaxens.data.folder.listing import check_is_no_photo
    from jaxens.data.opening import open_data
    from jaxens.evaluation.browsing import sources_figure

    signals.work_begins()
    check_is_no_photo("out", out, settings)
    with bar() as progress:
        data = open_data(settings, progress)
    name = Path(settings.data_dir).resolve().name if settings.data_dir else settings.source
    say(f"{viz.save(sources_figure([getattr(data, split)], images, name), out)}")


def _values(app: Any, commands: tuple[str, ...], arguments: Any) -> None:
    """Fills in --data and --data-dir of `describe FOLDER`, which flags such as --layout need."""
    folders = [each.tokens[-1].value for each in arguments if each.name == "FOLDER" and each.tokens]
    if folders:
        values = {"data": "folder", "data_dir": folders[0]}
        Dict(values, source="FOLDER")(app, commands, arguments)


ACTIONS = {"describe": describe, "prepare": prepare, "browse": browse}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the action that the first argument names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help"):
        print("Usage: python -m jaxens.data ACTION [OPTIONS]\n")
        for name, action in ACTIONS.items():
            print(f"  {name:10}{(action.__doc__ or '').partition(chr(10))[0]}")
    elif words[0] in ACTIONS:
        parser.call(ACTIONS[words[0]], words[1:], name=f"data {words[0]}", values=_values)
    else:
        raise UserError(f"there is no action {words[0]!r}: {remedy(words[0], ACTIONS)}")


if __name__ == "__main__":
    parser.run(main)
