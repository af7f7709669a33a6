"""Memory that convolutions take on a CPU, and that XLA's memory analysis leaves out.

Eigen, which computes the convolutions that XLA does not fuse, copies the windows of some pixels at
a time into the order that its kernel reads.
"""

import math
import re

# The pixels whose windows are copied at once are an eighth of all: on two cores, windows of 72,
# 144, 288 and 576 values took 9.0, 17.5, 34.5 and 70.5 values per pixel.
PARTS = 8
_VALUE = re.compile(r"^\s*(?:ROOT )?(%\S+) = \w+\[([\d,]*)\]", re.MULTILINE)
# Fused convolutions take parameters of their computation, and are left out.
_CONVOLUTION = re.compile(
    r" = \w+\[([\d,]*)\]\S* convolution\((?!%param)[^\s,]+, (%[^\s,)]+)\).*dim_labels=\w+?_(\w+)->"
)


def scratch_bytes(hlo: str) -> int:
    """Returns the bytes of the largest such copy; convolutions run one after another.

    Args:
        hlo: The text of a program that is compiled for a CPU.
    """
    values = {name: _sides(shape) for name, shape in _VALUE.findall(hlo)}
    most = 0
    for shape, kernel, labels in _CONVOLUTION.findall(hlo):
        channels = values[kernel][labels.index("o")]
        pixels = math.prod(_sides(shape)) // channels
        rows = math.prod(values[kernel]) // channels
        most = max(most, 4 * pixels * rows // PARTS)
    return most


def _sides(shape: str) -> list[int]:
    return [int(side) for side in shape.split(",") if side]
