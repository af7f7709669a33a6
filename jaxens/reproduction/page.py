"""Writes the page of a reproduction: HTML without a network, and Markdown."""

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxens import viz
from jaxens.files import write_text
from jaxens.pages import frame
from jaxens.reproduction import wording
from jaxens.reproduction.comparing import VERDICTS
from jaxens.reproduction.outcomes import Outcome, Reproduction
from jaxens.reproduction.session import base_of, quality_of, read_finished
from jaxens.runs.provenance import environment
from jaxens.runs.run import Run

TEMPLATES = Path(__file__).parent / "templates"


def write_page(reproduction: Reproduction) -> Path:
    """Writes `reproduction.html`, `reproduction.md` and the figures, and returns the first."""
    folder = reproduction.session.out
    context = page_context(reproduction)
    write_text(folder / "reproduction.md", render("reproduction.md", context))
    path = folder / "reproduction.html"
    write_text(path, render("reproduction.html", context))
    return path


def render(template: str, context: dict[str, Any]) -> str:
    """Returns a page; what is not from the template is escaped.

    Args:
        template: `reproduction.html` or `reproduction.md`.
        context: From `page_context`.
    """
    return frame.render(TEMPLATES / template, context)


def page_context(reproduction: Reproduction) -> dict[str, Any]:
    """Returns everything that the page shows, as texts.

    Args:
        reproduction: What `reproduce` returned.
    """
    outcomes = reproduction.outcomes
    session = reproduction.session
    sections = [_section(outcome, reproduction) for outcome in outcomes]
    rows = [row for outcome in outcomes for row in outcome.rows]
    times = session.times()
    total = [sum(each[i] for each in times.values()) for i in range(2)]
    now = environment()
    return {
        "setting": "the stand-in" if reproduction.stand_in else "real data",
        "stand_in": reproduction.stand_in,
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "verdicts": VERDICTS,
        "counts": wording.counts(rows),
        "count": len(rows),
        "sections": sections,
        "disagreeing": [section for section in sections if section["disagreeing"]],
        "failed": [section for section in sections if section["error"]],
        "ensembles": _ensembles(outcomes, reproduction),
        "times": [
            (what, wording.minutes(seconds), wording.minutes(cpu))
            for what, (seconds, cpu) in times.items()
        ],
        "total": wording.minutes(total[0]),
        "total_cpu": wording.minutes(total[1]),
        "environment": [
            ("versions", ", ".join(f"{k} {v}" for k, v in now["versions"].items())),
            ("machine", f"{now['machine']}, {now['cores']} cores, {now['device']}"),
            ("revision", now["git"] or "unknown: the package is not in a checkout"),
        ],
    }


def _section(outcome: Outcome, reproduction: Reproduction) -> dict[str, Any]:
    experiment, rows = outcome.experiment, outcome.rows
    setting, session = experiment.setting, reproduction.session
    decimals = wording.decimals_of(rows)
    disagreeing = [row for row in rows if row.verdict == "disagrees"]
    protocols = []
    if experiment.kind != "auc":
        for diversity in setting.ensembles:
            finished = read_finished(session.evaluation_of(experiment, diversity))
            protocols += str(finished["protocol"]).split("\n") if finished else []
    notes = [*wording.size_sentences(outcome.curves), *map(wording.auc_sentence, outcome.labels)]
    if crossed := wording.less_certain(rows):
        notes.append(crossed)
    figure, svg = _figure(outcome, session.out)
    return {
        "name": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "paper": experiment.paper,
        "command": setting.command,
        "hardware": setting.hardware,
        "time": setting.time,
        "differences": setting.differences,
        "discussion": _paragraphs(setting.discussion),
        "error": outcome.error,
        "rows": [wording.cells(row, decimals) for row in rows],
        "several_metrics": len({row.row["metric"] for row in rows}) > 1,
        "several_diversities": len({row.row.get("diversity") for row in rows}) > 1,
        "metric": wording.metric_title(rows[0].row["metric"]) if rows else "",
        "tally": wording.tally(rows),
        "disagreeing": [wording.sentence(row, decimals) for row in disagreeing],
        "qualities": _qualities(outcome, reproduction),
        "notes": notes,
        "protocol": list(dict.fromkeys(protocols)),
        "figure": figure,
        "svg": svg,
        "alternative": " ".join(wording.size_sentences(outcome.curves)),
    }


def _qualities(outcome: Outcome, reproduction: Reproduction) -> list[tuple[str, bool]]:
    """Describes each ensemble's predictions, and whether it learned its task."""
    sentences = []
    for path in outcome.experiment.setting.ensembles.values():
        quality = quality_of(reproduction.session.run_of(path)) or {}
        sentences += [
            (wording.quality_sentence(path.stem, each), wording.learned(each))
            for each in quality.values()
        ]
    return sentences


def _ensembles(
    outcomes: Sequence[Outcome], reproduction: Reproduction
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Returns the settings of every trained ensemble, as names and values."""
    session = reproduction.session
    paths = [p for outcome in outcomes for p in outcome.experiment.setting.ensembles.values()]
    done = [path for path in paths if quality_of(session.run_of(path))]
    bases = [base for base in map(base_of, done) if base]
    described = []
    for path in dict.fromkeys([*bases, *done]):
        folder = session.run_of(path)
        run = Run.open(folder)
        config, record = run.config, run.record
        run.close()
        data, optim = config.data, config.optim
        images = f", {data.train_images} training images" if data.source == "fieldmarks" else ""
        described.append(
            (
                path.stem,
                [
                    ("data", f"{data.source}{images}, {data.image_size} px"),
                    ("model", f"{config.model.name}, weights: {config.model.weights or 'random'}"),
                    ("members", f"{config.ensemble.members}, {config.ensemble.diversity}"),
                    ("training", f"{optim.epochs} epochs, {optim.optimizer}, seed {optim.seed}"),
                    ("fingerprint of the data", record["data"]),
                    ("revision", record.get("git") or "unknown"),
                    ("JAX", record.get("versions", {}).get("jax", "unknown")),
                    ("began", record.get("began", "unknown")),
                    ("resumed", f"{len(record.get('resumed', []))} times"),
                ],
            )
        )
    return described


def _figure(outcome: Outcome, folder: Path) -> tuple[str, str]:
    """Draws the curves of an experiment: the name of the file, and its SVG."""
    if not outcome.curves:
        return "", ""
    by_metric: dict[str, list[str]] = {}
    for method, metric in outcome.curves:
        by_metric.setdefault(metric, []).append(method)
    (metric, methods), *_ = by_metric.items()
    curves = [outcome.curves[method, metric] for method in methods]
    drawn = viz.size_curves(
        np.array([[curve.mean for curve in curves]]),
        np.array([[curve.low for curve in curves]]),
        np.array([[curve.high for curve in curves]]),
        np.array([[curve.individual for curve in curves]]),
        metrics=[wording.metric_title(metric).replace(" (", "\n(")],
        methods=[wording.method_title(method) for method in methods],
    )
    path = viz.save(drawn, folder / f"{outcome.experiment.name}.svg")
    svg = re.sub(r"^.*?(?=<svg)", "", path.read_text(), flags=re.DOTALL)
    return path.name, svg


def _paragraphs(text: str) -> list[str]:
    return [" ".join(each.split()) for each in re.split(r"\n\s*\n", text.strip()) if each.strip()]
