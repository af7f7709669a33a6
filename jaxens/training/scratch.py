"""Memory that convolutions take on a CPU, and that XLA's memory analysis leaves out.

Eigen, which computes the convolutions that XLA does not fuse, copies the windows of all pixels
into the order that its kernel reads, some rows of the kernel at a time. In a step of the small
model with 128 images of 160 px, this was 159 MB next to temporaries of 550 MB.
"""

import math
import re

ROWS_AT_ONCE = 48  # the most that were seen, of 48 and 288 rows
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
        most = max(most, 4 * pixels * min(rows, ROWS_AT_ONCE))
    return most


def _sides(shape: str) -> list[int]:
    return [int(side) for side in shape.split(",") if side]
