"""The same members in PyTorch, trained in a loop."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
import torch
from torch import nn

from jaxens.benchmarks.machine import on_cpu
from jaxens.benchmarks.subject import LEARNING_RATE, WEIGHT_DECAY, Explained, Subject
from jaxens.data.preparing import cores
from jaxens.errors import UserError


@dataclass(frozen=True)
class Variant:
    """One way to run PyTorch."""

    name: str
    memory_format: torch.memory_format
    compiled: bool = False


def device() -> torch.device:
    """Returns the kind of device that JAX uses. Raises `UserError` if PyTorch can't use it."""
    if on_cpu():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            f"JAX uses {jax.default_backend()}, but this PyTorch can only use the CPU: install "
            "its CUDA build, or compare on the CPU (JAX_PLATFORMS=cpu)"
        )
    return torch.device("cuda")


def variants(cuda: bool) -> list[Variant]:
    """Returns the variants to measure; the fastest is the reference."""
    result = [
        Variant("PyTorch", torch.contiguous_format),
        Variant("PyTorch, channels_last", torch.channels_last),
    ]
    if cuda:
        result.append(
            Variant("PyTorch, channels_last, torch.compile", torch.channels_last, compiled=True)
        )
    return result


def training_sides(subject: Subject) -> dict[str, Callable[[], "Pending"]]:
    """Functions that run a training step of all members, by variant."""
    return {
        variant.name: Members(subject, variant).training()
        for variant in variants(device().type == "cuda")
    }


@dataclass(frozen=True)
class Pending:
    """Results of a loop over members, which CUDA may still be computing."""

    of_members: list[torch.Tensor]

    def block_until_ready(self) -> None:
        """Waits for CUDA."""
        if self.of_members[0].is_cuda:
            torch.cuda.synchronize()

    def numpy(self) -> np.ndarray:
        """Copies the results to the host, float32 [member, ...]."""
        return torch.stack(self.of_members).float().cpu().numpy()


class Members:
    """An ensemble's networks in PyTorch, with its weights, on its device.

    On CUDA, bfloat16 is autocast, float32 may use TF32 (as in XLA), and cuDNN searches for the
    fastest algorithms. On a CPU all cores are used.
    """

    def __init__(self, subject: Explained, variant: Variant):
        self.device = device()
        torch.set_num_threads(cores())
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
        twins = [subject.twin(variables) for variables in subject.networks()]
        self.nets = [self._place(twin, variant) for twin in twins]
        images = torch.from_numpy(np.array(subject.images)).permute(0, 3, 1, 2)
        self.images = self._place(images, variant)
        self.labels = torch.from_numpy(np.array(subject.labels)).long().to(self.device)
        self.autocast: Callable[[], Any] = contextlib.nullcontext
        if subject.dtype == "bfloat16":
            self.autocast = partial(torch.autocast, self.device.type, torch.bfloat16)
        self.variant = variant

    def _place(self, value: Any, variant: Variant) -> Any:
        return value.to(self.device, memory_format=variant.memory_format)

    def training(self) -> Callable[[], Pending]:
        """Returns a step of every member with AdamW and cross-entropy, as in jaxens."""
        torch._dynamo.config.recompile_limit = max(64, 4 * len(self.nets))
        for net in self.nets:
            net.train()
        nets = [torch.compile(n) if self.variant.compiled else n for n in self.nets]
        optimizers = [
            torch.optim.AdamW(
                net.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
            )
            for net in self.nets
        ]

        def step() -> Pending:
            losses = []
            for net, optimizer in zip(nets, optimizers, strict=True):
                optimizer.zero_grad()
                with self.autocast():
                    logits = net(self.images)
                loss = nn.functional.cross_entropy(logits.float(), self.labels)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
            return Pending(losses)

        return step
