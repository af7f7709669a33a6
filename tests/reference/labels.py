"""Places the same labels by jaxens, adjustText and textalloc, and counts what a reader minds.

    python -m tests.reference.labels 200

prints the counts over 200 random cases as a table.
"""

import contextlib
import io
import sys
from dataclasses import dataclass

import adjustText
import numpy as np
import textalloc
from jaxtyping import Float
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jaxens.tables import Table
from jaxens.viz.layout import Layout, crossings, lay_out
from jaxens.viz.panels import text_sizes

GAP = 7.0  # points, as in figures of labeled arrows
FONT = 9.0
WORDS = ("bill", "wing", "eye ring", "cheek patch", "crest", "wing bar", "breast band")
COUNTS = ("outside of the canvas", "overlapping pairs", "crossing pairs", "on the tip of another")


@dataclass(frozen=True)
class Placed:
    """Where labels and lines are on a canvas, in points; y points down.

    Attributes:
        labels: Left, top, right, bottom of each label.
        starts: Where the line of each label begins.
        tips: Where it ends.
        size: Width and height of the canvas.
    """

    labels: Float[np.ndarray, "label 4"]
    starts: Float[np.ndarray, "label 2"]
    tips: Float[np.ndarray, "label 2"]
    size: tuple[float, float]

    def counts(self) -> tuple[int, int, int, int]:
        """Returns how often each of `COUNTS` happens."""
        low, high = self.labels[:, :2], self.labels[:, 2:]
        others = ~np.eye(len(low), dtype=bool)
        outside = (low < -1).any(axis=1) | (high > np.array(self.size) + 1).any(axis=1)
        reach = (low[:, None] < high - 1).all(axis=-1)  # by more than a point
        inside = (low[:, None] < self.tips - 1) & (self.tips + 1 < high[:, None])
        return (
            int(outside.sum()),
            int((reach & reach.T & others).sum()) // 2,
            int(crossings(self.starts, self.tips).sum()) // 2,
            int((inside.all(axis=-1) & others).sum()),
        )


def random_case(seed: int) -> tuple[Float[np.ndarray, "label 2"], list[str]]:
    """Returns tips, far apart or close to each other, and one to twelve labels of them."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 13)
    if seed % 2:
        tips = rng.uniform(0, 1, (count, 2))
    else:
        tips = np.clip(rng.normal(rng.uniform(0.2, 0.8, 2), 0.1, (count, 2)), 0, 1)
    return tips, [str(each) for each in rng.choice(WORDS, count)]


def by_jaxens(tips: Float[np.ndarray, "label 2"], texts: list[str]) -> tuple[Placed, Layout]:
    """Returns our labels, and the layout whose canvas the others get too."""
    layout = lay_out(tips, text_sizes(texts, FONT), (230.0, 230.0), GAP)
    return Placed(layout.labels, layout.starts, layout.tips, layout.size), layout


def by_adjust_text(layout: Layout, texts: list[str]) -> Placed:
    """Returns the labels of adjustText, by default without crossing lines, and on the canvas."""
    axes = _canvas(layout)
    x, y = layout.tips.T
    drawn = [
        axes.text(*place, text, fontsize=FONT) for *place, text in zip(x, y, texts, strict=True)
    ]
    np.random.seed(0)  # noqa: NPY002  (it moves texts at random)
    adjustText.adjust_text(drawn, x, y, ax=axes, iter_lim=500)
    return _placed(layout, [_box(text) for text in drawn])


def by_textalloc(layout: Layout, texts: list[str]) -> Placed:
    """Returns the labels of textalloc. Its options forbid lines that cross lines or labels."""
    axes = _canvas(layout)
    x, y = layout.tips.T
    with contextlib.redirect_stdout(io.StringIO()):
        *_, drawn, _ = textalloc.allocate(
            axes, x, y, texts, x_scatter=x, y_scatter=y, textsize=FONT, max_distance=0.5,
            avoid_label_lines_overlap=True, avoid_crossing_label_lines=True,
        )  # fmt: skip
    return _placed(layout, [_box(text) for text in drawn])


def _canvas(layout: Layout):
    """Returns axes that fill a figure of a point per pixel, with y down."""
    width, height = layout.size
    figure = Figure((width / 72, height / 72), dpi=72)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    return axes


def _box(text) -> tuple[float, float, float, float]:
    box, height = text.get_window_extent(), text.figure.bbox.height
    return box.x0, height - box.y1, box.x1, height - box.y0


def _placed(layout: Layout, boxes: list[tuple[float, float, float, float]]) -> Placed:
    """Returns labels with lines from the point of each label that is nearest to its tip."""
    labels = np.array(boxes)
    return Placed(labels, layout.tips.clip(labels[:, :2], labels[:, 2:]), layout.tips, layout.size)


def compare(cases: int) -> Table:
    """Returns the sums of the counts over some random cases, by who places the labels."""
    sums = {name: np.zeros(len(COUNTS), int) for name in ("jaxens", "adjustText", "textalloc")}
    labels = 0
    for seed in range(cases):
        tips, texts = random_case(seed)
        ours, layout = by_jaxens(tips, texts)
        sums["jaxens"] += ours.counts()
        sums["adjustText"] += by_adjust_text(layout, texts).counts()
        sums["textalloc"] += by_textalloc(layout, texts).counts()
        labels += len(texts)
    rows = [(name, labels, *map(int, of)) for name, of in sums.items()]
    return Table(("placed by", "labels", *COUNTS), rows)


if __name__ == "__main__":
    print(compare(int(sys.argv[1])).to_markdown())
