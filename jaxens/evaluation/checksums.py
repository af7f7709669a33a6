"""Checksums by which results know their ensemble and their images."""

import zlib
from typing import Any

import jax
import numpy as np

from jaxens.ensemble.ensemble import Ensemble


def weights_checksum(ensemble: Ensemble) -> int:
    """Returns a checksum of the numbers of all members, and of the trunk that they share."""
    return checksum((ensemble.variables, ensemble.trunk))


def checksum(arrays: Any) -> int:
    """Returns the CRC-32 of a tree of arrays."""
    result = 0
    for leaf in jax.tree.leaves(arrays):
        result = zlib.crc32(np.asarray(leaf).tobytes(), result)
    return result
