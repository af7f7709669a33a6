"""The model card of an exported ensemble, in Markdown."""

from typing import Any

from jaxens.divergence import divergence
from jaxens.ensemble.ensemble import Ensemble
from jaxens.names import shorten
from jaxens.runs.run import Run
from jaxens.tables import Table, plain

LETTERS = 1000  # of a list of classes

TEMPLATE = """# {title}

{what}, trained by jaxens {version}.

## Load it

```python
import jaxens

ensemble = jaxens.load("FOLDER")  # the folder that holds this file
logits = ensemble.logits(images, {task!r})  # [member, image, class]
maps = ensemble.attribute(images, targets, "grad_cam", {task!r})  # [member, image, height, width]
```

Images are uint8 RGB [image, height, width, 3]; in training they had {size}x{size} pixels.
`ensemble.json` has the architecture and all names of classes, `ensemble.safetensors` the numbers.

## Tasks

{tasks}
## Scores on the held-out images

{scores}
## Data

{data}

## Training

{training}
"""


def card(run: Run, ensemble: Ensemble, member: int | None = None) -> str:
    """Returns the model card of an ensemble, which says what it is and where it comes from.

    Names from the data are escaped: they are shown as they are, and are not markup.

    Args:
        run: The run that it comes from.
        ensemble: What is exported.
        member: The member that is exported; None for all.
    """
    config, record = run.config, run.record
    name, members = config.model.name, ensemble.members
    data = plain(shorten(run.info.name))
    if member is None:
        what = f"An ensemble of {members} networks ({name})" if members > 1 else f"One {name}"
        what += ", and one more trained on all data" if ensemble.baseline is not None else ""
    else:
        what = f"Member {member} of an ensemble of {config.ensemble.members} networks ({name})"
    frozen = "" if ensemble.trunk is None else ", which share frozen layers"
    diverged = f" ({ensemble.divergence})" if ensemble.divergence else ""
    tasks = Table(
        ("task", "kind", "classes"),
        [(shorten(t.name), t.kind, shorten(", ".join(t.classes), LETTERS)) for t in ensemble.tasks],
    )
    return TEMPLATE.format(
        title=f"{name} on {data}",
        what=what + frozen + diverged,
        version=plain(shorten(record["versions"].get("jaxens", "of unknown version"))),
        task=shorten(ensemble.tasks[0].name),
        size=config.data.image_size,
        tasks=tasks.to_markdown(),
        scores=_scores(run, ensemble, member),
        data=f"Trained on {data}, fingerprint {plain(shorten(record['data']))}.",
        training=_training(run),
    )


def _scores(run: Run, ensemble: Ensemble, member: int | None) -> str:
    logged: dict[str, Any] = next(
        (line["test"] for line in reversed(run.read_log()) if "test" in line), {}
    )
    if not logged:
        return "The run was not scored: its training has not ended.\n"
    rows = []
    for task in ensemble.tasks:
        q = logged[task.name]
        scores = (q["mean"], q["ensemble"]) if member is None else (q["members"][member],)
        rows.append((shorten(task.name), q["measure"], *scores, q["chance"]))
    of = ("average member", "ensemble") if member is None else ("this member",)
    return Table(("task", "measure", *of, "chance"), rows).to_markdown()


def _diverged(run: Run) -> str:
    """Names the members that had diverged at the end of the training."""
    steps = next((line["diverged_at"] for line in reversed(run.read_log()) if "epoch" in line), ())
    return divergence(steps, run.config.ensemble.members) or "none"


def _training(run: Run) -> str:
    config, record = run.config, run.record
    weights = record.get("weights")
    revision = f", revision {weights['revision']}" if weights and "revision" in weights else ""
    started = (
        f"{shorten(weights['from'])} (fingerprint {shorten(weights['fingerprint'])}{revision})"
        if weights
        else "random numbers"
    )
    versions = ", ".join(f"{package} {v}" for package, v in record["versions"].items())
    lines = {
        "checkpoint": run.checkpoints.chosen,
        "weights before training": started,
        "members differ by": config.ensemble.diversity,
        "members that diverged": _diverged(run),
        "epochs": config.optim.epochs,
        "optimizer": f"{config.optim.optimizer}, learning rate {config.optim.learning_rate:g}",
        "seed": config.optim.seed,
        "git revision": record.get("git") or "unknown",
        "versions": versions,
        "device": record["device"],
    }
    shown = {name: plain(shorten(str(value), LETTERS)) for name, value in lines.items()}
    return "\n".join(f"- {name}: {value}" for name, value in shown.items())
