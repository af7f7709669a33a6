"""Profiles: a trace becomes a table of the operations that took the most time."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
from jax.profiler import ProfileData

from jaxens.benchmarks.profile import CALLS, Event, operations, profiled, self_times


def trace(plane: str, lines: dict[str, list[tuple[str, str | None, float, float]]]) -> ProfileData:
    """A plane with events by line: name, instruction, start and duration in microseconds."""
    names: dict[str, int] = {}
    text = []
    for line, events in lines.items():
        texts = []
        for name, instruction, start, duration in events:
            number = names.setdefault(name, len(names) + 1)
            stat = f'stats {{ metadata_id: 1 str_value: "{instruction}" }}' if instruction else ""
            times = f"offset_ps: {round(1e6 * start)} duration_ps: {round(1e6 * duration)}"
            texts.append(f"events {{ metadata_id: {number} {times} {stat} }}")
        text.append(f'lines {{ name: "{line}" {" ".join(texts)} }}')
    text += [
        f'event_metadata {{ key: {k} value {{ id: {k} name: "{name}" }} }}'
        for name, k in names.items()
    ]
    text += ['stat_metadata { key: 1 value { id: 1 name: "hlo_op" } }']
    plane_text = f'planes {{ name: "{plane}" {" ".join(text)} }}'
    return ProfileData.from_serialized_xspace(
        ProfileData.text_proto_to_serialized_xspace(plane_text)
    )


def rows(profile: ProfileData, steps: int) -> list[tuple[Any, ...]]:
    return [
        (o.kind, o.longest, round(1e6 * o.seconds, 6), o.share, o.calls)
        for o in operations(profile, steps)
    ]


def test_instructions_of_a_kind_are_summed_over_threads_and_steps() -> None:
    profile = trace(
        "/host:CPU",
        {
            "tf_XLAEigen/1": [("dot.5", "dot.5", 0, 3), ("fusion.1", "fusion.1", 4, 2)],
            "tf_XLAEigen/2": [("dot.17.clone", "dot.17.clone", 0, 5), ("dot.5", "dot.5", 6, 6)],
            "python": [("ParseArguments", None, 0, 90)],
        },
    )
    assert rows(profile, steps=2) == [
        ("dot", "dot.5", 7, 14 / 16, 1.5),
        ("fusion", "fusion.1", 1, 1 / 8, 0.5),
    ]


def test_a_loop_counts_as_the_operations_inside() -> None:
    profile = trace(
        "/host:CPU",
        {
            "thread": [
                ("while.2", "while.2", 0, 100),
                ("call.1", "call.1", 10, 40),
                ("dot.5", "dot.5", 20, 10),
                ("copy.1", "copy.1", 90, 10),
            ]
        },
    )
    assert rows(profile, steps=1) == [("dot", "dot.5", 10, 0.5, 1), ("copy", "copy.1", 10, 0.5, 1)]


def test_own_time_excludes_the_events_inside() -> None:
    events = [
        Event("outer", 0, 100),
        Event("inner", 10, 50),
        Event("innermost", 20, 30),
        Event(None, 70, 20),  # waits
        Event("next", 100, 7),
    ]
    assert dict(self_times(events[::-1])) == {"outer": 30, "inner": 20, "innermost": 30, "next": 7}


def test_gpu_kernels_are_named_by_their_instruction_or_else_by_themselves() -> None:
    profile = trace(
        "/device:GPU:0",
        {
            "Stream #13(Compute)": [
                ("ampere_gemm_128x64", "cudnn-conv.3", 0, 6),
                ("loop_fusion", "loop_fusion", 6, 3),
                ("MemcpyD2D", None, 9, 1),
            ],
            "XLA Ops": [("cudnn-conv.3", "cudnn-conv.3", 0, 6)],  # the same event again
        },
    )
    assert [row[:3] for row in rows(profile, steps=1)] == [
        ("cudnn-conv", "cudnn-conv.3", 6),
        ("loop_fusion", "loop_fusion", 3),
        ("MemcpyD2D", "MemcpyD2D", 1),
    ]


def test_tpu_instructions_are_named_by_the_start_of_their_text() -> None:
    text = "%fusion.7 = f32[8]{0} fusion(%p.1), kind=kLoop"
    profile = trace(
        "/device:TPU:0", {"XLA Ops": [(text, None, 0, 2)], "Steps": [("0", None, 0, 9)]}
    )
    assert [row[:3] for row in rows(profile, steps=1)] == [("fusion", "fusion.7", 2)]


def test_a_jitted_step_is_traced() -> None:
    matrix = jnp.ones((200, 200))
    step = jax.jit(lambda a: jnp.tanh(a @ a))
    jax.block_until_ready(step(matrix))
    calls: list[int] = []

    def call() -> jax.Array:
        calls.append(0)
        return step(matrix)

    profile = profiled("A product", call, steps=2)
    assert len(calls) == CALLS
    assert profile.rows
    assert sum(row.share for row in profile.rows) == pytest.approx(1)
    assert all(row.seconds > 0 for row in profile.rows)
    assert "6 traced steps" in profile.notes[0]


def test_a_trace_without_instructions_gives_an_empty_table() -> None:
    assert operations(trace("/host:CPU", {"python": [("wait", None, 0, 1)]}), steps=1) == []
