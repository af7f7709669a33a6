"""Figures of an ensemble's explanations: its members beside their mean, their centres of mass,
and one network beside the ensemble (Pazzani et al. 2022, Figures 2, 4 and 6)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8

from jaxens import metrics
from jaxens.viz.arrows import tails
from jaxens.viz.display import Display, stamp
from jaxens.viz.montage import Bar, Montage

CENTRES_IN_A_ROW = 4
PAIRS_IN_A_ROW = 3
LINE = 0.125  # of a caption, inches


@dataclass(frozen=True)
class Explained:
    """Pictures, the members' maps of them by one method, and what is written beside."""

    title: str
    captions: list[str]
    images: UInt8[np.ndarray, "picture height width 3"]
    maps: Float[np.ndarray, "member picture height width"]

    @property
    def finite(self) -> Bool[np.ndarray, "member picture"]:
        """Which maps hold numbers alone; the others count for nothing in mean and spread."""
        return np.isfinite(self.maps).all(axis=(-2, -1))

    @property
    def mean(self) -> Float[np.ndarray, "picture height width"]:
        """The ensemble's explanation (the paper's Eq. 1); NaN where no member has one."""
        return self._kept().mean(axis=0).filled(np.nan)

    @property
    def spread(self) -> Float[np.ndarray, "picture height width"]:
        """The standard deviation over members."""
        return self._kept().std(axis=0).filled(np.nan)

    def mean_of(self, picture: int) -> str:
        """How many members a mean is of."""
        members, counted = len(self.maps), int(self.finite[:, picture].sum())
        return f"mean of {members}" if counted == members else f"mean of {counted} of {members}"

    def caption(self, picture: int) -> str:
        """What is written beside a picture; also that its mean lacks members, where it does."""
        whole = self.finite[:, picture].all()
        return self.captions[picture] + ("" if whole else f"\n{self.mean_of(picture)}")

    def _kept(self) -> np.ma.MaskedArray:
        broken = np.broadcast_to(~self.finite[..., None, None], self.maps.shape)
        return np.ma.masked_array(self.maps.astype(np.float64), broken)


def members(explained: Explained, display: Display) -> Montage:
    """A row for each picture: the picture, each member's map, their mean and spread."""
    count = len(explained.maps)
    rows, layers = [], []
    mean, spread = explained.mean, explained.spread
    for i, image in enumerate(explained.images):
        own = explained.maps[:, i]
        shown = [*own, mean[i]]
        panels = display.panels(image, shown, own)
        panels += display.panels(image, [spread[i]], own, "spread")
        rows.append([image, *panels])
        layers.append([*shown, spread[i]])
    names = [explained.caption(i) for i in range(len(rows))]
    columns = ["picture", *(f"member {m}" for m in range(count)), "mean", "spread"]
    title = f"{explained.title}\nby each of {count} members, their mean, and their spread"
    montage = Montage(rows, title, names, columns, below=0.55)
    for row, maps in enumerate(layers):
        for column, map in enumerate(maps, start=1):
            stamp(montage, row, column, map)
    display.legend(montage, Bar("spread", "spread (standard deviation): none", "most"))
    return montage


def centres(explained: Explained, _: Display) -> Montage:
    """Each picture with arrows at its maps' centres of mass: black ones at the members', a red
    one at the mean map's."""
    captions = [explained.caption(i) for i in range(len(explained.images))]
    rows = _grid(len(captions), CENTRES_IN_A_ROW)
    panels = [[explained.images[i] for i in row] for row in rows]
    title = f"{explained.title}\ncentres of mass: black of each member, red of the ensemble"
    montage = Montage(panels, title, inches=2.3, above=_room(captions, 2.3), below=0.15)
    points = centres_of_mass(explained)
    for row, pictures in enumerate(rows):
        for column, i in enumerate(pictures):
            montage.text(row, column, captions[i], size=7)
            _point(montage, row, column, points[:, i])
    return montage


def centres_of_mass(explained: Explained) -> Float[np.ndarray, "arrow picture 2"]:
    """The members' centres, and last the mean map's: (x, y), fractions of the sides.

    NaN where a map has none: it is not finite, constant, or has no positive value.
    """
    maps = np.concatenate([explained.maps, explained.mean[None]])
    return np.asarray(metrics.center_of_mass(maps), np.float64)


def comparison(explained: Explained, display: Display) -> Montage:
    """Each picture twice: annotated by the first member alone, and by the mean of all."""
    captions = [f"{caption}\nmember 0 alone" for caption in explained.captions]
    rows = _grid(len(captions), PAIRS_IN_A_ROW)
    mean = explained.mean
    pairs = [(explained.maps[0, i], mean[i]) for i in range(len(captions))]
    panels = [
        display.panels(explained.images[i], pair, explained.maps[:, i])
        for i, pair in enumerate(pairs)
    ]
    title = f"{explained.title}\nby a single network (left) and by the ensemble (right)"
    montage = Montage(
        [[panel for i in row for panel in panels[i]] for row in rows],
        title,
        inches=1.6,
        above=_room(captions, 1.6),
        below=0.55,
    )
    for i, pair in enumerate(pairs):
        row, column = i // PAIRS_IN_A_ROW, 2 * (i % PAIRS_IN_A_ROW)
        for k, text in enumerate((captions[i], explained.mean_of(i))):
            montage.text(row, column + k, text, size=7)
            stamp(montage, row, column + k, pair[k])
    display.legend(montage)
    return montage


FIGURES: dict[str, Callable[[Explained, Display], Montage]] = {
    "members": members,
    "centres": centres,
    "single-vs-ensemble": comparison,
}


def _point(montage: Montage, row: int, column: int, points: Float[np.ndarray, "arrow 2"]) -> None:
    there = np.flatnonzero(~np.isnan(points).any(axis=-1))
    heads = points[there]
    for arrow, head, tail in zip(there, heads, tails(heads) if len(there) else [], strict=True):
        montage.arrow(row, column, tail, head, "red" if arrow == len(points) - 1 else "black")


def _grid(pictures: int, across: int) -> list[range]:
    return [range(pictures)[start : start + across] for start in range(0, pictures, across)]


def _room(captions: list[str], inches: float) -> float:
    """For captions over pictures of this width, in that unit."""
    return (LINE * max(caption.count("\n") + 1 for caption in captions) + 0.12) / inches
