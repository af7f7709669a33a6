"""Draws a bird again with another trait, to ask a network what it looks at."""

from dataclasses import fields
from typing import Any

from jaxens.data.fieldmarks.builder import STARTS
from jaxens.data.fieldmarks.draw import Drawing, render_traits
from jaxens.data.fieldmarks.species import (
    BILL_LENGTHS,
    FAMILIES,
    MARKS,
    WING_PATTERNS,
    Traits,
    independent_traits,
    species_of,
)

_VALUES = {"family": FAMILIES, "bill_length": BILL_LENGTHS, "wing_pattern": WING_PATTERNS}


def redraw(
    split: str,
    number: int,
    *,
    seed: int = 0,
    size: int = 64,
    independent: bool = False,
    **traits: Any,
) -> Drawing:
    """Draws an image of FieldMarks with other traits; pose, colors, light and background stay.

    Args:
        split: "train", "val" or "test".
        number: Of the image in its split, from 0.
        seed: That of the data set.
        size: The side of the image, in pixels.
        independent: Whether the data set has independent attributes.
        **traits: Those that change, by their names in `Traits`: `bill_length="long"`, for example.

    Raises:
        ValueError: If there is no such trait, or it has no such value.
    """
    names = [field.name for field in fields(Traits)]
    for name, value in traits.items():
        if name not in names:
            raise ValueError(f"there is no trait {name!r}: choose from {', '.join(names)}")
        known = _VALUES.get(name, MARKS)
        if not set([value] if name in _VALUES else value) <= set(known):
            raise ValueError(f"{name} can't be {value!r}: choose from {', '.join(known)}")
    index = STARTS[split] + number
    before = independent_traits(seed, index) if independent else species_of(seed, index)
    kept = {name: getattr(before, name) for name in names}
    return render_traits(Traits(**{**kept, **traits}), seed, index, size)
