"""The rules for arrows: which sightings are drawn, and how they are located."""

from dataclasses import dataclass
from typing import Literal

from jaxens.errors import check_number
from jaxens.evaluation.settings import MethodName

TipName = Literal["center_of_mass", "peak", "region"]
StyleName = Literal["boxes", "arrows", "heatmap", "labeled_arrows", "words"]
NEAR = 0.1  # of the diagonal: two tips this close point at the same thing
DIAGONAL = 2**0.5  # of an image, in fractions of its sides


@dataclass(frozen=True)
class Rules:
    """which sightings are drawn, and where arrows point"""

    method: MethodName = "integrated_gradients"
    """attribution method"""
    tip: TipName = "region"
    """tip of an arrow: a map's center of mass, its peak, or the center of its strongest region"""
    confidence: float = 0.5
    """least calibrated probability of a sighting"""
    solid: float = 0.5
    """least share of members that point near the tip of a solid arrow; others are dashed"""
    drawn: float = 0.2
    """the same for an arrow that is drawn at all"""
    sightings: int = 12
    """sightings in an image, at most"""

    def __post_init__(self) -> None:
        for name in ("confidence", "solid", "drawn"):
            check_number(name, getattr(self, name), least=0, most=1)
        check_number("sightings", self.sightings, least=1, most=1000)

    def describe(self) -> str:
        """Returns the rules in a few sentences."""
        return (
            f"A sighting is shown if its calibrated probability is at least {self.confidence:.0%}, "
            f"at most {self.sightings} in an image. Tips: {self.tip.replace('_', ' ')} of the mean "
            f"{self.method.replace('_', ' ')} map. An arrow is dashed if fewer than "
            f"{self.solid:.0%} of the members point within {NEAR:.0%} of the diagonal of its tip, "
            f"and left out if fewer than {self.drawn:.0%} do."
        )
