"""Draws a page of a data set: pictures with their labels, masks, key points and boxes.

    python -m jaxens.browse --data cub --data-dir FOLDER --out page.png

shows at a glance whether truth sits where it belongs before anything is trained on it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxens.cli.live import console
from jaxens.cli.parser import Parser, main, positive
from jaxens.data.registry import open_data
from jaxens.data.source import load
from jaxens.runs import config as configs
from jaxens.viz.page import page


def browse(arguments: Sequence[str] | None = None) -> None:
    parser = Parser("browse", __doc__)
    parser.add_argument("--out", type=Path, default=Path("page.png"), help="default: page.png")
    parser.add_argument("--split", choices=("train", "val", "test"), default="test")
    parser.add_argument(
        "--pictures", type=positive, default=40, help="how many, evenly spaced (default: 40)"
    )
    configs.add_flags(parser, "data")
    flags = vars(parser.parse_args(arguments))
    out, split, count = flags.pop("out"), flags.pop("split"), flags.pop("pictures")
    data = open_data(configs.load(None, flags).data)
    pictures = load(getattr(data, split), "reading pictures")
    places = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int)
    console.print(f"{page(pictures.take(places), out)}", soft_wrap=True)


if __name__ == "__main__":
    main(browse)
