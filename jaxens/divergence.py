"""Says which members of an ensemble diverged in training, and when."""

from collections.abc import Iterable, Sequence

# The step at which each member diverged, None if it has not; a baseline comes last.
DivergedAt = Sequence[int | None]


def member_names(rows: Iterable[int], members: int) -> list[str]:
    """Returns names of members by their number; the one after the last is the baseline."""
    one = "the member" if members == 1 else "member {}"
    return [one.format(row) if row < members else "the member trained on all data" for row in rows]


def divergence(diverged_at: DivergedAt, members: int) -> str:
    """Says which members diverged, and that they count; "" if none did.

    Args:
        diverged_at: By member, those of a baseline last.
        members: The number of members without the baseline.
    """
    steps = {row: step for row, step in enumerate(diverged_at) if step is not None}
    if not steps:
        return ""
    pairs = zip(member_names(steps, members), steps.values(), strict=True)
    named = ", ".join(f"{name} (at step {step})" for name, step in pairs)
    return f"diverged in training, and counted with an earlier state: {named}"
