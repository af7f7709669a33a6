"""How maps are shown: colours and their scale. No score depends on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from jaxens.viz.montage import Bar, Montage
from jaxens.viz.overlay import Colours, full_at, overlay

Scale = Literal["own", "shared"]


@dataclass(frozen=True)
class Display:
    """Colours, full at a percentile of the magnitudes: of a panel's `own`, or of those of all
    of a picture's members, `shared` by its panels (a mean map is then the fainter one).
    """

    colours: Colours
    scale: Scale = "own"
    percentile: float = 99.0

    def panels(
        self,
        image: UInt8[np.ndarray, "height width 3"],
        maps: Sequence[Float[np.ndarray, "height width"]],
        members: Float[np.ndarray, "member height width"],
        colours: Colours | None = None,
    ) -> list[UInt8[np.ndarray, "height width 3"]]:
        """Each map over its picture; `members` are all of the picture's, for a shared scale."""
        shared = full_at(members, self.percentile)
        return [
            overlay(
                image,
                map,
                shared if self.scale == "shared" else full_at(map, self.percentile),
                colours or self.colours,
            )
            for map in maps
        ]

    def legend(self, montage: Montage, *more: Bar) -> None:
        """Writes under the pictures what the colours mean."""
        ends = ("against the class", "for it") if self.colours == "signed" else ("none", "most")
        whose = "a panel's own" if self.scale == "own" else "a picture's members'"
        note = f"colours are full at the {self.percentile:g}th percentile of {whose} magnitudes"
        montage.legend([Bar(self.colours, *ends), *more], note)


def stamp(montage: Montage, row: int, column: int, map: Float[np.ndarray, "height width"]) -> None:
    """Says of a panel without colours why it has none."""
    if not np.isfinite(map).all():
        montage.stamp(row, column, "not finite")
    elif not map.any():
        montage.stamp(row, column, "zero")
