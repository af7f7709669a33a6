"""Bytes that a compiled step reads and writes, counted from its program.

XLA's own count (`cost_analysis`) adds up the operands and results of instructions and fusions. It
counts the body of a loop once, and library calls (cuBLAS, cuDNN) not at all. This module counts
every pass of a loop, and adds the calls.
"""

import re
from typing import Any

FORMULA = (
    "Bandwidth: bytes that the compiled step's instructions and library calls read and write, as "
    "if without caches, relative to the rate of a copy; what surrounds a loop of several steps "
    "counts with each step"
)
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?(%[\w.-]+) = (.*?) ([a-z][\w-]*)\((.*)$", re.MULTILINE)
_TRIP_COUNT = re.compile(r'"known_trip_count":\{"n":"(\d+)"')
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")


def step_traffic(program: Any, steps: int) -> float | None:
    """Bytes of one step of a compiled program that loops over `steps` steps (1: no loop).

    None for programs with other loops or with branches, and on backends without a cost analysis.
    """
    instructions = [match.groups() for match in _INSTRUCTION.finditer(program.as_text())]
    loops = [_trip_count(rest) for *_, kind, rest in instructions if kind == "while"]
    branches = any(kind == "conditional" for *_, kind, _ in instructions)
    bytes_accessed = _bytes_accessed(program)
    if branches or bytes_accessed is None or loops != [steps] * (steps > 1):
        return None
    shapes = {name: shape for name, shape, *_ in instructions}
    calls = [(shape, rest) for _, shape, kind, rest in instructions if kind == "custom-call"]
    return bytes_accessed + sum(_call_bytes(shape, rest, shapes) for shape, rest in calls)


def _trip_count(rest: str) -> int | None:
    match = _TRIP_COUNT.search(rest)
    return int(match[1]) if match else None


def _bytes_accessed(program: Any) -> float | None:
    analysis = program.cost_analysis()
    if isinstance(analysis, list):  # some backends return one for each device
        analysis = analysis[0] if analysis else None
    return (analysis or {}).get("bytes accessed")


def _call_bytes(result: str, rest: str, shapes: dict[str, str]) -> int:
    """Bytes of a library call's operands and result, without its workspace (type u8)."""
    operands = re.findall(r"%[\w.-]+", rest.partition("), ")[0])
    written = sum(size for kind, size in _arrays(result) if kind != "u8")
    return written + sum(size for name in operands for _, size in _arrays(shapes[name]))


def _arrays(shape: str) -> list[tuple[str, int]]:
    """Returns the element types and bytes of an array, or of the arrays of a tuple."""
    result = []
    for kind, axes in _ARRAY.findall(shape):
        bits = re.search(r"\d+", kind)
        count = 1
        for length in filter(None, axes.split(",")):
            count *= int(length)
        result.append((kind, count * (int(bits[0]) if bits else 8) // 8))  # pred has 8
    return result
