"""Finds out which pixels the annotations of photos with an EXIF orientation are of.

Some programs annotate a photo as its file stores it, others as a viewer shows it: upright. Masks,
stated sizes and places tell which, where a photo is turned by a quarter.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from jaxens.data.collection import Frame
from jaxens.data.decoding import header_of
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.voc import VocFile
from jaxens.data.marks import Box, Marks, MaskFile, Size
from jaxens.data.orientation import upright_size
from jaxens.data.reading import PhotoError

_ENOUGH = 200  # turned photos that are looked at


def frame_of(
    sources: Sources, points: Float[np.ndarray, "photo point 2"], marks: Sequence[Sequence[Marks]]
) -> tuple[Frame, list[str]]:
    """Returns which pixels annotations are of, and a notice if this was found out.

    The stored ones, if nothing tells.

    Args:
        sources: The photos.
        points: Their key points.
        marks: Their marks.
    """
    layout = sources.layout
    if layout.annotations:
        return layout.annotations, []
    turned, votes = 0, Counter[Frame]()
    for i, photo in enumerate(sources.photos):
        if not marks[i] and np.isnan(points[i]).all():
            continue
        try:
            stored, orientation = header_of(sources.root / photo, sources.root)
        except PhotoError:  # it is listed when it is read
            continue
        if orientation == 1:
            continue
        turned += 1
        if (upright := upright_size(stored, orientation)) != stored:
            sizes = [*_sizes(marks[i]), *(each.size for _, each in sources.entries.get(photo, ()))]
            votes.update(stored=sizes.count(stored), upright=sizes.count(upright))
            if layout.units == "pixels":
                votes.update(_votes_of_places(_places(points[i], marks[i]), stored, upright))
        if turned == _ENOUGH:
            break
    if not turned:
        return "stored", []
    frame: Frame = "upright" if votes["upright"] > votes["stored"] else "stored"
    other = "stored" if frame == "upright" else "upright"
    count = votes.total()
    why = f"{votes[frame]} of {count} sizes and places tell" if count else "nothing tells"
    return frame, [
        f"{layout.name}: key points, boxes and masks of photos with an EXIF orientation are taken "
        f"as those of the {frame} photo, as {why} (in the first {turned} of them): if they are "
        f'not, add annotations = "{other}" to {layout.path.name}'
    ]


def _sizes(marks: Sequence[Marks]) -> Iterator[Size | None]:
    """Yields the sizes of photos that masks and VOC files have or state."""
    for each in marks:
        try:
            if isinstance(each, MaskFile):
                yield header_of(each.path, each.root)[0]
            elif isinstance(each, VocFile):
                yield each.stated_size()
        except PhotoError:  # it is listed when it is read
            continue


def _places(
    points: Float[np.ndarray, "point 2"], marks: Sequence[Marks]
) -> list[tuple[float, float]]:
    """Returns key points, and the lower right corners of boxes."""
    boxes = [each.corners[2:] for each in marks if isinstance(each, Box)]
    return [*map(tuple, points[~np.isnan(points).any(axis=-1)].tolist()), *boxes]


def _votes_of_places(
    places: Sequence[tuple[float, float]], stored: Size, upright: Size
) -> Counter[Frame]:
    """Counts the places that only one of two sizes has."""
    votes = Counter[Frame]()
    for x, y in places:
        fits = [x <= width and y <= height for width, height in (stored, upright)]
        if fits[0] != fits[1]:
            votes["stored" if fits[0] else "upright"] += 1
    return votes
