"""Time of a compiled step by operation, from a trace of a few steps."""

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.profiler import ProfileData, ProfileOptions

from jaxens.benchmarks.machine import Machine
from jaxens.benchmarks.results import Cells

CALLS, TOP = 3, 10
# Instructions that contain others, which may run on other threads while these wait.
CONTAINERS = {"while", "call", "conditional"}
_NUMBER = re.compile(r"(\.(\d+|clone|remat\d*))+$")


@dataclass(frozen=True)
class Operation:
    """All instructions of one kind (the name without numbers), per step."""

    kind: str
    longest: str  # the instruction of this kind that took the most time
    seconds: float
    share: float  # of the time of all operations
    calls: float


@dataclass(frozen=True)
class Profile:
    """The operations that took the most time, as a table."""

    title: str
    rows: list[Operation]
    notes: tuple[str, ...]

    def cells(self, machine: Machine) -> Cells:
        """See `Report.cells`."""
        names = ["operation", "longest instruction", "ms per step", "share", "calls per step"]
        return names, [
            [
                row.kind,
                row.longest,
                f"{1e3 * row.seconds:.3g}",
                f"{row.share:.1%}",
                f"{row.calls:,.1f}",
            ]
            for row in self.rows
        ]

    def explained(self) -> list[str]:
        """See `Report.explained`."""
        return [*self.notes]

    def as_json(self, machine: Machine) -> dict[str, Any]:
        """See `Report.as_json`."""
        rows = [asdict(row) for row in self.rows]
        return {"title": self.title, "notes": list(self.notes), "rows": rows}


class Event(NamedTuple):
    """An event of a thread or stream; `name` is None if it only waits."""

    name: str | None
    start: float  # nanoseconds
    duration: float  # nanoseconds


def profiled(title: str, call: Callable[[], Any], steps: int) -> Profile:
    """Traces a few calls of `call`, which runs `steps` steps, and returns their profile."""
    options = ProfileOptions()
    options.python_tracer_level = 0  # it would slow the step down
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            jax.block_until_ready([call() for _ in range(CALLS)])
        (file,) = Path(folder).rglob("*.xplane.pb")
        kinds = operations(ProfileData.from_file(str(file)), CALLS * steps)
    total = sum(kind.seconds for kind in kinds)
    return Profile(
        title,
        kinds[:TOP],
        (
            f"From {CALLS * steps} traced steps; all {len(kinds)} kinds of operations take "
            f"{1e3 * total:.3g} ms per step, the sum over threads or streams",
            "Loops and calls count as the operations inside",
        ),
    )


def operations(trace: ProfileData, steps: int) -> list[Operation]:
    """All kinds of instructions in a trace of `steps` steps, the longest first."""
    times: defaultdict[str, Counter[str]] = defaultdict(Counter)
    calls: Counter[str] = Counter()
    for events in _lines(trace):
        for name, nanoseconds in self_times(events):
            kind = _NUMBER.sub("", name)
            if kind not in CONTAINERS:
                times[kind][name] += round(nanoseconds)
                calls[kind] += 1
    total = sum(counter.total() for counter in times.values())
    kinds = [
        Operation(
            kind,
            counter.most_common(1)[0][0],
            1e-9 * counter.total() / steps,
            counter.total() / max(1, total),
            calls[kind] / steps,
        )
        for kind, counter in times.items()
    ]
    return sorted(kinds, key=lambda kind: -kind.seconds)


def self_times(events: Iterable[Event]) -> Iterator[tuple[str, float]]:
    """Yields each named event with its own time: without that of the events inside it."""
    order = sorted(events, key=lambda event: (event.start, -event.duration))
    times = [event.duration for event in order]
    parents: list[int] = []
    for k, event in enumerate(order):
        while parents and _end(order[parents[-1]]) <= event.start:
            parents.pop()
        if parents:
            times[parents[-1]] -= event.duration
        parents.append(k)
    for event, time in zip(order, times, strict=True):
        if event.name is not None:
            yield event.name, max(0.0, time)


def _end(event: Event) -> float:
    return event.start + event.duration


def _lines(trace: ProfileData) -> list[list[Event]]:
    """Returns the instructions on each GPU stream or TPU core, or else on each CPU thread."""
    planes = [(plane.name, list(plane.lines)) for plane in trace.planes]
    streams = [s for name, lines in planes if name.startswith("/device:") for s in _streams(lines)]
    if streams:  # a library's kernel without an instruction keeps its own name
        return [
            [Event(_instruction(e) or e.name, e.start_ns, e.duration_ns) for e in stream.events]
            for stream in streams
        ]
    return [
        [
            Event(_instruction(e), e.start_ns, e.duration_ns)
            for e in thread.events
            if _instruction(e) or "(wait for" in e.name
        ]
        for name, threads in planes
        if name == "/host:CPU"
        for thread in threads
    ]


def _streams(lines: Sequence[Any]) -> list[Any]:
    of_gpu = [line for line in lines if line.name.startswith("Stream")]
    return of_gpu or [line for line in lines if line.name == "XLA Ops"]


def _instruction(event: Any) -> str | None:
    """Returns the name of an event's instruction; on a TPU, the event's name is its whole text."""
    text = dict(event.stats).get("hlo_op")
    if text is None and event.name.startswith("%"):
        text = event.name.split(" = ")[0]
    return None if text is None else str(text).lstrip("%")
