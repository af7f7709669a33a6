"""How much a compiled step reads from and writes to memory, counted from its program.

XLA's own count (`cost_analysis`) looks at each instruction's operands and result, in a fusion at
what it takes from outside and leaves there. It counts a loop's body once, whatever the number of
turns, and calls of libraries (cuBLAS, cuDNN) not at all: these are added here.
"""

import re
from typing import Any

FORMULA = (
    "Bandwidth: what the compiled step's instructions and library calls read and write, as if "
    "nothing stayed in a cache, beside the rate of a copy; what surrounds a loop of several steps "
    "counts with each"
)
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?(%[\w.-]+) = (.*?) ([a-z][\w-]*)\((.*)$", re.MULTILINE)
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")


def step_traffic(program: Any, steps: int) -> float | None:
    """Bytes of one of the `steps` that a compiled program loops over (1: it has no loop).

    None where that can't be told: in programs with other loops or with branches, and on backends
    that don't count.
    """
    instructions = [found.groups() for found in _INSTRUCTION.finditer(program.as_text())]
    loops = [_turns(rest) for *_, kind, rest in instructions if kind == "while"]
    branches = any(kind == "conditional" for *_, kind, _ in instructions)
    counted = _counted(program)
    if branches or counted is None or loops != [steps] * (steps > 1):
        return None
    shapes = {name: shape for name, shape, *_ in instructions}
    calls = [(shape, rest) for _, shape, kind, rest in instructions if kind == "custom-call"]
    return counted + sum(_of_call(shape, rest, shapes) for shape, rest in calls)


def _turns(rest: str) -> int | None:
    found = _TURNS.search(rest)
    return int(found[1]) if found else None


def _counted(program: Any) -> float | None:
    found = program.cost_analysis()
    if isinstance(found, list):  # one for each device, of some backends
        found = found[0] if found else None
    return (found or {}).get("bytes accessed")


def _of_call(result: str, rest: str, shapes: dict[str, str]) -> int:
    """Bytes of a library call's operands and result, without its workspace: an array of bytes."""
    operands = re.findall(r"%[\w.-]+", rest.partition("), ")[0])
    written = sum(size for kind, size in _arrays(result) if kind != "u8")
    return written + sum(size for name in operands for _, size in _arrays(shapes[name]))


def _arrays(shape: str) -> list[tuple[str, int]]:
    """The element types of an array, or of the arrays of a tuple, and their bytes."""
    found = []
    for kind, axes in _ARRAY.findall(shape):
        bits = re.search(r"\d+", kind)
        count = 1
        for length in filter(None, axes.split(",")):
            count *= int(length)
        found.append((kind, count * (int(bits[0]) if bits else 8) // 8))  # pred has 8
    return found
