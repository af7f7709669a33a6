"""What a compiled step spends its time on, operation by operation, from a trace of a few steps."""

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
# They hold others, which may run on other threads while these wait.
HOLDERS = {"while", "call", "conditional"}
_NUMBER = re.compile(r"(\.(\d+|clone|remat\d*))+$")


@dataclass(frozen=True)
class Operation:
    """Instructions of one kind, their names without numbers; seconds and calls are of a step."""

    kind: str
    longest: str  # the one instruction of the kind that took most
    seconds: float
    share: float  # of all operations
    calls: float


@dataclass(frozen=True)
class Profile:
    """The operations that took most, of all that a step consists of."""

    title: str
    rows: list[Operation]
    notes: tuple[str, ...]

    def cells(self, machine: Machine) -> Cells:
        names = ["operation", "the longest", "ms a step", "share", "calls a step"]
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
        return [*self.notes]

    def as_json(self, machine: Machine) -> dict[str, Any]:
        rows = [asdict(row) for row in self.rows]
        return {"title": self.title, "notes": list(self.notes), "rows": rows}


class Event(NamedTuple):
    """A stretch of a thread or stream; `name` is None where it only waits."""

    name: str | None
    start: float  # nanoseconds, as are all here
    duration: float


def profiled(title: str, call: Callable[[], Any], steps: int) -> Profile:
    """A profile of `call`, which takes `steps` steps, from a trace of a few calls."""
    options = ProfileOptions()
    options.python_tracer_level = 0  # it would slow down what it looks at
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, profiler_options=options):
            jax.block_until_ready([call() for _ in range(CALLS)])
        (file,) = Path(folder).rglob("*.xplane.pb")
        found = operations(ProfileData.from_file(str(file)), CALLS * steps)
    whole = sum(operation.seconds for operation in found)
    return Profile(
        title,
        found[:TOP],
        (
            f"Of {CALLS * steps} traced steps; all {len(found)} kinds of operations take "
            f"{1e3 * whole:.3g} ms a step, those of all threads or streams added up",
            "Loops and calls are told by what runs inside of them",
        ),
    )


def operations(trace: ProfileData, steps: int) -> list[Operation]:
    """All kinds of instructions in a trace of so many steps, those that took longest first."""
    times: defaultdict[str, Counter[str]] = defaultdict(Counter)
    calls: Counter[str] = Counter()
    for events in _lines(trace):
        for name, own in own_times(events):
            kind = _NUMBER.sub("", name)
            if kind not in HOLDERS:
                times[kind][name] += round(own)
                calls[kind] += 1
    whole = sum(counter.total() for counter in times.values())
    found = [
        Operation(
            kind,
            counter.most_common(1)[0][0],
            1e-9 * counter.total() / steps,
            counter.total() / max(1, whole),
            calls[kind] / steps,
        )
        for kind, counter in times.items()
    ]
    return sorted(found, key=lambda operation: -operation.seconds)


def own_times(events: Iterable[Event]) -> Iterator[tuple[str, float]]:
    """The named events of a line, each without the time of events inside of it."""
    order = sorted(events, key=lambda event: (event.start, -event.duration))
    own = [event.duration for event in order]
    around: list[int] = []
    for k, event in enumerate(order):
        while around and _end(order[around[-1]]) <= event.start:
            around.pop()
        if around:
            own[around[-1]] -= event.duration
        around.append(k)
    for event, time in zip(order, own, strict=True):
        if event.name is not None:
            yield event.name, max(0.0, time)


def _end(event: Event) -> float:
    return event.start + event.duration


def _lines(trace: ProfileData) -> list[list[Event]]:
    """The instructions on each stream of a GPU or core of a TPU; else on each thread."""
    planes = [(plane.name, list(plane.lines)) for plane in trace.planes]
    streams = [s for name, lines in planes if name.startswith("/device:") for s in _streams(lines)]
    if streams:  # where a library's kernel that is told no instruction goes by its own name
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
    """The instruction that an event is; a TPU's events are called by its whole text."""
    text = dict(event.stats).get("hlo_op")
    if text is None and event.name.startswith("%"):
        text = event.name.split(" = ")[0]
    return None if text is None else str(text).lstrip("%")
