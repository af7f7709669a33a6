"""The parts of a report on a training: curves of all members, scores, and provenance."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from jaxens import viz
from jaxens.divergence import divergence
from jaxens.names import shorten
from jaxens.pages.page_figures import Album, PageFigure
from jaxens.pages.sheets import Cell, Sheet
from jaxens.runs.provenance import Environment
from jaxens.runs.run import Run

LETTERS = 300  # of a value
READ_CURVES = (
    "Each thin line is one member: one that stays apart from the others has trained badly; a loss "
    "that still falls says that more epochs would help."
)


def curves(run: Run, album: Album) -> PageFigure | None:
    """Draws losses and validation scores of all members by epoch; None before the first epoch.

    Args:
        run: The run.
        album: The figures of the page.
    """
    lines = [line for line in run.read_log() if "epoch" in line]
    if not lines:
        return None
    count = run.config.ensemble.members
    losses = np.array([line["loss"] for line in lines], float)
    members, ensemble, chance = {"loss": losses[:, :count]}, {}, {}
    baseline = {"loss": losses[:, count]} if losses.shape[1] > count else {}
    for name, score in lines[-1]["val"].items():
        title = f"{name.replace('_', ' ')}: {score['measure']}"
        of_task = [line["val"][name] for line in lines]
        members[title] = np.array([each["members"] for each in of_task], float)
        ensemble[title] = np.array([each["ensemble"] for each in of_task], float)
        chance[title] = score["chance"]
        if score["baseline"] is not None:
            baseline[title] = np.array([each["baseline"] for each in of_task], float)
    figure = viz.learning_curves(
        [line["epoch"] for line in lines],
        members,
        ensemble=ensemble if count > 1 else {},
        baseline=baseline,
        chance=chance,
    )
    ends = "; ".join(
        f"{shorten(title)} from {_mean(curve[0])} to {_mean(curve[-1])}"
        for title, curve in members.items()
    )
    words = f"Loss and validation scores of {count} members, {len(lines)} epochs. Means: {ends}."
    return album.of_figure(figure, "Learning curves", words, READ_CURVES)


def _mean(of_members: Float[np.ndarray, "member"]) -> str:
    known = of_members[np.isfinite(of_members)]
    return f"{known.mean():.3f}" if known.size else "unknown"


def scores(run: Run) -> Sheet | None:
    """Returns the scores on the held-out images; None if the training has not ended."""
    lines = [line for line in run.read_log() if "test" in line]
    if not lines:
        return None
    logged = lines[-1]["test"]
    with_baseline = any(score["baseline"] is not None for score in logged.values())
    rows = []
    for task, score in logged.items():
        values = [score["mean"], min(score["members"]), max(score["members"]), score["ensemble"]]
        values += [score["baseline"]] * with_baseline + [score["chance"]]
        numbers = [Cell(f"{value:.3f}", repr(value)) for value in values]
        rows.append([Cell(shorten(task)), Cell(score["measure"]), *numbers])
    headings = ["task", "measure", "average member", "worst member", "best member", "ensemble"]
    headings += ["trained on all data"] * with_baseline + ["chance"]
    caption = "Predictions on the held-out images" + _divergence(lines, run)
    return Sheet(caption, headings, rows)


def summary(run: Run) -> list[tuple[str, str]]:
    """Returns the most important facts of a run, as names and values."""
    config = run.config
    optim, ensemble = config.optim, config.ensemble
    weights = run.record.get("weights")
    facts = {
        "data": f"{run.info.name}, {config.data.image_size} px",
        "model": config.model.name,
        "weights before training": weights["from"] if weights else "random",
        "members": f"{ensemble.members}, which differ by {ensemble.diversity.replace('-', ' ')}"
        + _divergence([line for line in run.read_log() if "epoch" in line], run),
        "training": f"{optim.epochs} epochs, {optim.optimizer}, "
        f"learning rate {optim.learning_rate:g}, batches of {optim.batch_size}",
        "began": run.record.get("began", "unknown"),
    }
    return _shown(facts)


def _divergence(lines: Sequence[Mapping[str, Any]], run: Run) -> str:
    """Returns words that say which members had diverged at the last of these lines of the log."""
    steps = lines[-1]["diverged_at"] if lines else ()
    words = divergence(steps, run.config.ensemble.members)
    return f"; {words}" if words else ""


def provenance(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns where a run comes from, as names and values under headings."""
    record = run.record
    weights = record.get("weights")
    inputs = {
        "fingerprint of the data": record["data"],
        "fingerprint of the weights": weights["fingerprint"] if weights else "none",
        "seed": record.get("seed", "unknown"),
        **{f"SHA-256 of {name}": checksum for name, checksum in record["files"].items()},
    }
    parts = [("Inputs", _shown(inputs)), ("Software and machine", _environment(record))]
    for resumed in record.get("resumed", []):
        parts.append((f"Resumed after epoch {resumed['after_epoch']}", _environment(resumed)))
    settings = dataclasses.asdict(run.config)
    parts += [(f"Settings: {section}", _shown(values)) for section, values in settings.items()]
    return parts


def _environment(process: Environment) -> list[tuple[str, str]]:
    facts = {
        "command": " ".join(process.get("command", [])) or "unknown",
        "began": process.get("began", "unknown"),
        "revision": process.get("git") or "unknown",
        "device": f"{process.get('devices', 1)} x {process.get('device', 'unknown')}",
        "machine": f"{process.get('machine', 'unknown')}, {process.get('cores')} cores",
        "versions": ", ".join(f"{k} {v}" for k, v in process.get("versions", {}).items()),
    }
    return _shown(facts)


def _shown(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(shorten(name.replace("_", " ")), _value(value)) for name, value in facts.items()]


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_value, value)) or "–"
    return shorten(str(value), LETTERS) if value not in (None, "") else "–"
