"""Labeled arrows: what an ensemble sees in an image, where, and how sure its members are."""

from jaxens.annotation.annotating import annotate
from jaxens.annotation.calibration import calibrate
from jaxens.annotation.marks import Annotation, Mark, Rules
from jaxens.annotation.tips import TIPS
from jaxens.annotation.wording import typical

__all__ = ["TIPS", "Annotation", "Mark", "Rules", "annotate", "calibrate", "typical"]
