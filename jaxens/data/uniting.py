"""Unites what the marks of a photo show into one mask for each part."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8

from jaxens.data.findings import Kind, MaskSeen
from jaxens.data.marks import EmptyError, Marks, Placed, Size
from jaxens.data.reading import OutsideError, PhotoError
from jaxens.data.schema import is_ignored
from jaxens.errors import UserError


def unite(
    marks: Sequence[Marks],
    size: Size,
    names: Sequence[str],
    add: Callable[[Kind, str, str], None],
    seen: list[MaskSeen],
) -> tuple[UInt8[np.ndarray, "height width byte"], set[str]]:
    """Returns the packed masks of all parts, and the parts that have one that can be used.

    Args:
        marks: Of one photo.
        size: Width and height of the photo.
        names: Names of all parts, in the order of the bits.
        add: Called with the kind, the file and the reason of each problem.
        seen: Masks that can be used are added to it.

    Raises:
        UserError: If a file is outside of the folder of the data set.
    """
    known: set[str] = set()
    bits = np.zeros((size[1], size[0], -(-len(names) // 8)), np.uint8)
    for each in marks:
        try:
            parts = each(size)
            leaving = each.leaving(size) if isinstance(each, Placed) else ""
        except OutsideError as error:
            raise UserError(f"{each.name} {error}") from None
        except PhotoError as error:
            add("empty" if isinstance(error, EmptyError) else "mask", each.name, str(error))
            continue
        if leaving:
            add("leaves", each.name, leaving)
        known |= parts.keys()
        for part, mask in parts.items():
            place = names.index(part)
            bits[..., place // 8] |= (mask != 0).astype(np.uint8) << (place % 8)
            if not is_ignored(part):
                seen.append(MaskSeen(part, each.name, int(mask.max()), bool(mask.all())))
    return bits, known
