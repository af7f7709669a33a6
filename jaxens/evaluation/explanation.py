"""The result of an explanation: maps, predictions and figures; and their files."""

import contextlib
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from jaxens.attribution import METHODS
from jaxens.data.prefetch import Workers, as_they_come
from jaxens.data.progress import Progress, no_progress
from jaxens.errors import UserError
from jaxens.evaluation import captions
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.provenance import PROVENANCE
from jaxens.evaluation.settings import Display, MethodSettings
from jaxens.files import write_bytes, write_text
from jaxens.names import file_name
from jaxens.tables import Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from jaxens.viz.map_pages import MapPage

_PAGES_OF_PROCESS = 3  # a process takes seconds to start


@dataclass(frozen=True)
class Explanation:
    """What `explain` returns, and `explain_in_parts` of some of the images.

    Attributes:
        subject: Images, predictions, and targets.
        maps: By method. NaN where a member gives NaN for the image.
        settings: How the methods were run.
        whole: All images that are explained, of which these may be a part.
        first: The number of the first of these images among them.
    """

    subject: Subject
    maps: Mapping[str, Float[np.ndarray, "member image height width"]]
    settings: MethodSettings
    whole: Subject
    first: int

    @property
    def table(self) -> Table:
        """One row per image: prediction, probability, agreement, and what is explained."""
        return self.subject.table

    def figures(self, method: str, display: Display = Display()) -> Iterator[tuple[str, "Figure"]]:
        """Draws a method's maps, page by page.

        Args:
            method: A key of `maps`.
            display: How maps are drawn.

        Yields:
            The name of a figure (members, centers, and of several members single-vs-ensemble),
            and the figure. Where there are several pages, names end in -1, -2, ..., and in the
            name of the image if there is one on each page.

        Raises:
            UserError: If a part begins within a page.
        """
        for page in self._pages(method, display):
            yield from page.figures()

    def _pages(self, method: str, display: Display) -> Iterator["MapPage"]:
        from jaxens import metrics
        from jaxens.viz.map_pages import MapPage

        lines, size = captions.captions(self.subject), display.images_per_figure
        before, within = divmod(self.first, size)
        if within:
            raise UserError(
                f"`images_per_figure` {size}: a part begins with image {self.first}, within a "
                "figure: explain parts of `display.images_per_part` images"
            )
        maps, photos = self.maps[method], self.subject.photos
        centers = np.asarray(metrics.center_of_mass(maps))
        mean_centers = np.asarray(metrics.center_of_mass(metrics.mean_of_finite(maps)))
        masks, points = self.subject.marks
        colors = display.colors
        for number, start in enumerate(range(0, len(lines), size), start=before + 1):
            part = slice(start, start + size)
            name = f"-{file_name(Path(photos.names[start]).stem)}" if size == 1 else ""
            yield MapPage(
                images=photos.images[part],
                maps=maps[:, part],
                centers=centers[:, part],
                mean_centers=mean_centers[part],
                title=captions.title(method, self.whole, self.settings),
                captions=lines[part],
                signed=METHODS[method].signed if colors is None else colors == "signed",
                scale=display.scale,
                percentile=display.percentile,
                masks=None if masks is None else masks[part],
                points=None if points is None else points[part],
                end="" if len(self.whole.photos) <= size else f"-{number}{name}",
            )

    def save(
        self,
        folder: Path,
        provenance: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        save_maps: bool = False,
        display: Display = Display(),
        processes: int = 1,
        progress: Progress = no_progress,
    ) -> None:
        """Writes a folder per method with its figures and, optionally, its maps.

        Args:
            folder: The parent of these folders.
            provenance: By method, from `provenance`; written as `explanation.json`.
            save_maps: Whether to write `maps.npz`: raw `maps` as float32, `images` (names),
                `task`, `targets` and, for a contrast, `against` (classes by number).
            display: How maps are drawn.
            processes: How many draw, if there are many pages. With more than one, a script needs
                `if __name__ == "__main__":`.
            progress: Called with a description, the number of pages that are drawn, and of all.

        Raises:
            UserError: If these are a part of the images only; see `save_parts`.
        """
        if len(self.subject.photos) < len(self.whole.photos):
            raise UserError("a part of an explanation is not saved alone: use `save_parts`")
        save_parts(
            [self],
            folder,
            provenance,
            save_maps=save_maps,
            display=display,
            processes=processes,
            progress=progress,
        )


def save_parts(
    parts: Iterable[Explanation],
    folder: Path,
    provenance: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    save_maps: bool = False,
    display: Display = Display(),
    processes: int = 1,
    progress: Progress = no_progress,
) -> None:
    """Writes the same files as `Explanation.save`, from explanations of parts of the images.

    With more than one of `processes`, the others draw one part while this process explains the
    next. Memory holds the maps of these two parts. It holds more if a part has fewer pages than
    there are processes, and with `save_maps` it holds all.

    Args:
        parts: From `explain_in_parts`.
        folder: As for `Explanation.save`.
        provenance: As for `Explanation.save`.
        save_maps: As for `Explanation.save`.
        display: How maps are drawn. Parts must have whole figures: see `Display.images_per_part`.
        processes: As for `Explanation.save`.
        progress: As for `Explanation.save`, after the last part is explained.
    """
    from jaxens.viz.map_pages import save_page

    rest = iter(parts)
    first = next(rest)
    methods, images = list(first.maps), len(first.whole.photos)
    for method in methods:
        (folder / method).mkdir(parents=True, exist_ok=True)
        if provenance:
            text = json.dumps(provenance[method], indent=2, allow_nan=False)
            write_text(folder / method / PROVENANCE, text)
    of_part, total = (
        len(methods) * math.ceil(len(subject.photos) / display.images_per_figure)
        for subject in (first.subject, first.whole)
    )
    explained = 0

    def pages(parts: Iterable[Explanation]) -> Iterator[tuple["MapPage", Path]]:
        nonlocal explained
        kept: list[Explanation] = []
        for part in parts:
            explained += len(part.subject.photos)
            if save_maps:
                kept.append(part)
            for method in methods:
                for page in part._pages(method, display):
                    yield page, folder / method
        for method in methods if save_maps else ():
            write_bytes(folder / method / "maps.npz", _npz(kept, method))

    made = pages(chain(iter([first]), rest))  # a list would keep the maps of the first part
    del first
    count = min(processes, total // _PAGES_OF_PROCESS)
    with contextlib.ExitStack() as stack:
        drawn: Iterable[object]
        if count < 2:
            drawn = map(save_page, made)
        else:
            workers = stack.enter_context(Workers(save_page, count, "draws figures"))
            drawn = as_they_come(workers, made, count, max(of_part, count))
            stack.enter_context(contextlib.closing(drawn))
        for done, _ in enumerate(drawn, start=1):
            if explained == images:
                progress("drawing", done, total)


def _npz(parts: Sequence[Explanation], method: str) -> bytes:
    subjects = [part.subject for part in parts]
    arrays = {
        "maps": np.concatenate([part.maps[method] for part in parts], axis=1, dtype=np.float32),
        "images": np.array([name for subject in subjects for name in subject.photos.names]),
        "task": np.array(subjects[0].task.name),
        "targets": np.concatenate([subject.targets for subject in subjects]),
    }
    if subjects[0].against is not None:
        arrays["against"] = np.array(subjects[0].against)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()
