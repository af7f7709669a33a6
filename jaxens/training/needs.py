"""The numbers of what a training needs, and the table and sentences that show them."""

from dataclasses import dataclass
from typing import Literal, Self

from jaxens.tables import Table
from jaxens.training.collectives import Collective
from jaxens.training.hardware import GIB, Hardware
from jaxens.training.layout import MeshLayout
from jaxens.training.settings import Config

Row = tuple[str, str, str]


@dataclass(frozen=True)
class Memory:
    """Bytes on one device while the steps of an epoch run.

    Attributes:
        state: Parameters, batch statistics and optimizer state; a part of `arguments`.
        arguments: What the program is given: the state, and the training set or a batch.
        results: What it returns that does not take the place of an argument.
        temporaries: Activations, gradients and the like.
        scratch: What convolutions on a CPU allocate besides, see `scratch_bytes`.
        code: The program itself.
        waiting: Batches that are copied to the device ahead of time.
    """

    state: int
    arguments: int
    results: int
    temporaries: int
    scratch: int
    code: int
    waiting: int

    @property
    def total(self) -> int:
        """All of it."""
        sizes = (self.arguments, self.results, self.temporaries, self.scratch, self.code)
        return sum(sizes) + self.waiting


@dataclass(frozen=True)
class Rates:
    """What bounds the speed of a device.

    Attributes:
        flops: FLOP per second.
        bandwidth: Bytes of memory per second; None if it is not known.
        source: Where the numbers are from.
    """

    flops: float
    bandwidth: float | None
    source: str

    @classmethod
    def choose(
        cls, known: Hardware | None, flops: float | None, bandwidth: float | None
    ) -> Self | None:
        """Returns the rates that are given, or else those of a data sheet; None without any."""
        if known is None:
            return None if flops is None else cls(flops, bandwidth, "as given")
        sources = [known.source] * (not (flops and bandwidth))
        sources += ["as given"] * bool(flops or bandwidth)
        return cls(flops or known.flops, bandwidth or known.bandwidth, " and ".join(sources))


@dataclass(frozen=True)
class Needs:
    """What a training needs.

    Attributes:
        config: The config of the run.
        layout: Devices along each axis of the mesh.
        device: The kind of the devices.
        devices: The number of devices that there are; the layout may leave some idle.
        steps: The number of steps.
        kept: What of the training set each device keeps: "images", "features" by frozen stages, or
            the next "batches".
        memory: Of one device.
        limit: The bytes that a device has; None if not known.
        flops: FLOP of one step, of all members: 2 per multiply-add of convolutions and dense
            layers, forward and backward.
        flops_of_device: Those of one device, copies that fill up members included.
        counted: The FLOP of one device by the compiler's count, which leaves out products with
            padding; None if members are in a loop, of which it counts one.
        nbytes: Bytes that a step reads and writes in the memory of one device: of a TPU by
            `bytes_in_memory`, of a GPU by the compiler's count. None on a CPU, and on a GPU with
            members in a loop.
        collectives: What the devices send to each other in one step.
        gradients: Bytes of the gradients that devices with the same members add up in a step.
        statistics: Bytes that batch normalization needs from these devices: means and variances,
            their gradients, and the mean of the running statistics.
        rates: Of one device; None if not known.
        lowering: Seconds to trace and lower the program.
        compiling: Seconds to compile it.
    """

    config: Config
    layout: MeshLayout
    device: str
    devices: int
    steps: int
    kept: Literal["images", "features", "batches"]
    memory: Memory
    limit: int | None
    flops: float
    flops_of_device: float
    counted: float | None
    nbytes: float | None
    collectives: tuple[Collective, ...]
    gradients: int
    statistics: int
    rates: Rates | None
    lowering: float
    compiling: float

    @property
    def seconds_of_step(self) -> float | None:
        """The least seconds of a step by the roofline; None if no rates are known."""
        if self.rates is None:
            return None
        flops = min(self.flops_of_device, self.counted or self.flops_of_device)
        seconds = flops / self.rates.flops
        if self.nbytes is not None and self.rates.bandwidth is not None:
            seconds = max(seconds, self.nbytes / self.rates.bandwidth)
        return seconds

    @property
    def hours(self) -> float | None:
        """The least hours of all steps; None if no rates are known."""
        seconds = self.seconds_of_step
        return None if seconds is None else seconds * self.steps / 3600

    @property
    def shortage(self) -> str | None:
        """What to do about too little memory; None if it is enough or not known."""
        if self.limit is None or self.memory.total <= self.limit:
            return None
        return too_little(self.memory.total, self.limit)

    @property
    def table(self) -> Table:
        """One row per need: what, how much, and what it consists of."""
        rows = [*self._memory(), *self._work(), *self._communication()]
        rows.append(("steps", f"{self.steps:,}", f"{self.config.optim.epochs} epochs"))
        rows.append(("hours, at least", *self._hours()))
        lowering = f"and {self.lowering:.0f} s to trace and lower it"
        rows.append(("compile time", f"{self.compiling:.0f} s", lowering))
        return Table(("need", "amount", "what"), rows)

    def _memory(self) -> list[Row]:
        memory = self.memory
        total = in_units(memory.total)
        if self.limit is not None:
            total += f" of {in_units(self.limit)}"
        temporaries = memory.temporaries + memory.scratch + memory.results
        kept = memory.arguments - memory.state + memory.waiting
        return [
            ("memory of a device", total, "during the steps of an epoch"),
            ("  state", in_units(memory.state), "parameters, statistics, optimizer"),
            (f"  {self.kept}", in_units(kept), "and labels"),
            ("  temporaries", in_units(temporaries), "of a step"),
            ("  code", in_units(memory.code), "of the program"),
        ]

    def _work(self) -> list[Row]:
        counted = "" if self.counted is None else f"{giga(self.counted)} by the compiler's count"
        nbytes = "not known" if self.nbytes is None else f"{self.nbytes / 1e9:,.2f} GB"
        return [
            ("FLOP of a step", giga(self.flops), "convolutions and dense layers, all members"),
            ("  of a device", giga(self.flops_of_device), counted),
            ("bytes of a step", nbytes, "read and written in the memory of a device"),
        ]

    def _communication(self) -> list[Row]:
        if not self.collectives:
            return [("collectives", "none", "")]
        rows = [
            (
                f"{each.kind} of a step",
                in_units(each.nbytes),
                f"{each.calls} with {each.arrays} arrays, among {each.devices} devices",
            )
            for each in self.collectives
        ]
        arithmetic = f"gradients {in_units(self.gradients)}, batch statistics "
        total = in_units(self.gradients + self.statistics)
        return [*rows, ("  by arithmetic", total, arithmetic + in_units(self.statistics))]

    def _hours(self) -> tuple[str, str]:
        if self.rates is None or self.seconds_of_step is None:
            return "not known", "give `flops` of a device, and its `bandwidth`"
        rates = [f"{self.rates.flops / 1e12:,.3g} TFLOP/s"]
        if self.nbytes is not None and self.rates.bandwidth is not None:
            rates.append(f"{self.rates.bandwidth / 1e9:,.4g} GB/s")
        step = f"{self.seconds_of_step * 1e3:,.3g} ms a step"
        return f"{self.hours:,.3g}", f"{step} at {' and '.join(rates)} ({self.rates.source})"

    def describe(self) -> str:
        """Returns the model, the layout and the devices in a line."""
        config, used = self.config, self.layout.member * self.layout.data
        idle = f", {self.devices - used} idle" if self.devices > used else ""
        return (
            f"{config.ensemble.members} {config.model.name}, batches of {config.optim.batch_size} "
            f"images of {config.data.image_size} px, {self.layout} on {self.devices} {self.device}"
            f"{idle}"
        )


def too_little(needed: float, limit: float) -> str:
    """Returns the error that a device has too little memory."""
    return (
        f"a device needs at least {needed / GIB:,.1f} GiB and has {limit / GIB:,.1f} GiB: lower "
        "`batch_size` or `members`, or use more devices"
    )


def in_units(nbytes: float) -> str:
    """Returns bytes in GiB, or in MiB if there are few."""
    return f"{nbytes / GIB:,.2f} GiB" if nbytes >= GIB else f"{nbytes / 2**20:,.1f} MiB"


def giga(value: float) -> str:
    """Returns a count in thousand millions."""
    return f"{value / 1e9:,.1f} G"
