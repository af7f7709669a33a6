"""The figures of an ensemble's maps for a page of images, drawn by one process or several."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, UInt8
from matplotlib.figure import Figure

from jaxens.viz.files import save
from jaxens.viz.maps import Scale
from jaxens.viz.members import show_centers, show_comparison, show_members


@dataclass(frozen=True)
class MapPage:
    """A page of images with the maps of all members. It can be pickled, and a figure can't.

    Attributes:
        images: RGB.
        maps: Relevance of each member.
        centers: Centers of mass of the maps, as `show_centers` takes them.
        mean_centers: Those of the mean map of each image.
        title: First lines of all titles.
        captions: One for each image.
        signed: As in `show_members`.
        scale: As in `show_members`.
        percentile: As in `show_members`.
        masks: As in `show_members`.
        points: As in `show_members`.
        end: What the names of the figures end in.
    """

    images: UInt8[np.ndarray, "image height width 3"]
    maps: Float[np.ndarray, "member image height width"]
    centers: Float[np.ndarray, "member image 2"]
    mean_centers: Float[np.ndarray, "image 2"]
    title: str
    captions: list[str]
    signed: bool
    scale: Scale
    percentile: float
    masks: Bool[np.ndarray, "image height width"] | None = None
    points: Float[np.ndarray, "image 2"] | None = None
    end: str = ""

    def figures(self) -> Iterator[tuple[str, Figure]]:
        """Yields name and figure: members, centers, and of several members single-vs-ensemble."""
        count = len(self.maps)
        marks: dict[str, Any] = {
            "captions": self.captions,
            "masks": self.masks,
            "points": self.points,
        }
        marked = "; yellow: the marked part" if self._has_marks else ""
        by = f"\nby each of {count} members, their mean, and their spread" if count > 1 else ""
        figure = show_members(
            self.images,
            self.maps,
            signed=self.signed,
            scale=self.scale,
            percentile=self.percentile,
            title=f"{self.title}{by}{marked}",
            **marks,
        )
        yield f"members{self.end}", figure
        dots = "black of each member, red of the mean map" if count > 1 else "red"
        if count > 2:
            dots += "; ellipse: two standard deviations"
        figure = show_centers(
            self.images,
            self.centers,
            self.mean_centers,
            title=f"{self.title}\ncenters of mass: {dots}{marked}",
            **marks,
        )
        yield f"centers{self.end}", figure
        if count > 1:
            figure = show_comparison(
                self.images,
                self.maps,
                signed=self.signed,
                scale=self.scale,
                percentile=self.percentile,
                title=f"{self.title}\nby a single network (left) and by the ensemble (right)",
                captions=self.captions,
            )
            yield f"single-vs-ensemble{self.end}", figure

    @property
    def _has_marks(self) -> bool:
        masks, points = self.masks, self.points
        return bool(
            (masks is not None and masks.any())
            or (points is not None and np.isfinite(points).any())
        )


def save_page(page_and_folder: tuple[MapPage, Path]) -> list[Path]:
    """Draws a page, writes a PNG of each of its figures into the folder, and returns the paths."""
    page, folder = page_and_folder
    return [save(figure, folder / f"{name}.png") for name, figure in page.figures()]
