"""Lists the collective operations of a compiled program, in which devices exchange data."""

import math
import re
from collections import defaultdict
from typing import NamedTuple

KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")

# An instruction, such as `%x = (f32[3]{0}, bf16[2,4]{1,0}) all-reduce-start(%a, %b), ...`
_INSTRUCTION = re.compile(rf"^\s*(?:ROOT )?%?\S+ = (.*?) ({'|'.join(KINDS)})(-start)?\((.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")
_GROUPS = re.compile(r"replica_groups=(?:\[\d+,(\d+)\]|\{\{([\d,]*)\})")
# The same as axes of a mesh, or as parts of axes: `mesh['member'=1,'data'=8] {'data':(2)4}`.
_MESH = re.compile(r"replica_groups=mesh\[(.*?)\][^{]*\{(.*?)\}")
_AXIS = re.compile(r"'([^']+)'(?::\(\d+\)(\d+))?")


class Collective(NamedTuple):
    """The collectives of one kind among the same number of devices.

    Attributes:
        kind: As in HLO, such as "all-reduce".
        devices: The number of devices that take part in each of them.
        calls: How many there are.
        arrays: The number of arrays in all of them.
        nbytes: The bytes of their results on one device.
    """

    kind: str
    devices: int
    calls: int
    arrays: int
    nbytes: int


def collectives(hlo: str) -> tuple[Collective, ...]:
    """Returns the collectives of a program, with most bytes first.

    Operations with a single device are left out. Those inside of a loop count once.

    Args:
        hlo: The text of the compiled program.
    """
    found: dict[tuple[str, int], list[list[int]]] = defaultdict(list)
    for line in hlo.splitlines():
        match = _INSTRUCTION.match(line)
        if match is None:
            continue
        shapes, kind, start, rest = match.groups()
        arrays = bytes_of_arrays(shapes)
        if start and kind in ("all-gather", "collective-permute"):
            arrays = arrays[len(arrays) // 2 :]  # operands come first
        devices = _devices(rest)
        if devices != 1:
            found[kind, devices].append(arrays)
    rows = (
        Collective(kind, devices, len(each), sum(map(len, each)), sum(map(sum, each)))
        for (kind, devices), each in found.items()
    )
    return tuple(sorted(rows, key=lambda row: -row.nbytes))


def bytes_of_arrays(shapes: str) -> list[int]:
    """Returns the bytes of each array, from text such as `(f32[3]{0}, bf16[2,4]{1,0})`."""
    sizes = []
    for _, bits, shape in _ARRAY.findall(shapes):
        count = math.prod(int(side) for side in shape.split(",") if side)
        sizes.append(-(-count * int(bits or 8) // 8))
    return sizes


def _devices(attributes: str) -> int:
    """Returns how many devices take part in an operation; 0 if its text does not say so."""
    if mesh := _MESH.search(attributes):
        sizes = dict(re.findall(r"'([^']+)'=(\d+)", mesh[1]))
        return math.prod(int(part or sizes[axis]) for axis, part in _AXIS.findall(mesh[2]))
    match = _GROUPS.search(attributes)
    if match is None:
        return 2 if "source_target_pairs" in attributes else 0
    iota, listed = match.groups()
    return int(iota) if iota else len(listed.split(","))
