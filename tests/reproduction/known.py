"""Outcomes whose numbers are known."""

from pathlib import Path
from typing import Any

from jaxens.metrics import CrossedComparison
from jaxens.reproduction.comparing import Comparison, Numbers
from jaxens.reproduction.experiments import Experiment, Setting

NAN = float("nan")
CROSSED = CrossedComparison(11, 300, 0.02, -0.01, 0.05, 0.2)


def compared(paper, ours=None, metric="iou", p=1e-6, **row: Any) -> Comparison:
    """A row: (Ind-Avg, Ens-Avg) of the paper and ours."""
    numbers = None if ours is None else Numbers(*ours, p, 300, CROSSED, 0.01)
    values = {"ind_avg": paper[0], "ens_avg": paper[1]} if paper else {}
    return Comparison({"method": "grad_cam", "metric": metric, **values, **row}, numbers)


def experiment(name="table-5", kind="scores", rows=(), **setting: Any) -> Experiment:
    values = {
        "ensembles": {"random-weights": Path("stand-in/marks.toml")},
        "evaluation": {},
        "evaluated_by": name,
        "command": f"python -m jaxens.reproduce {name} --stand-in",
        "hardware": "Two cores.",
        "time": "A minute.",
        "differences": ["Drawn birds."],
        "discussion": "",
    }
    paper = {
        "section": "5.2",
        "data": "ISIC",
        "model": "VGG16",
        "result": "It is better.",
        "test": "t",
        "silent": ["The split."],
        "rows": list(rows),
    }
    return Experiment(name, name.title(), "Is it?", kind, paper, Setting(**values | setting))
