"""A run directory whose names are hostile, as text."""

import json

from jaxens.data.schema import Info, Task
from jaxens.runs import config as configs
from jaxens.runs.log import to_line
from jaxens.runs.provenance import provenance
from jaxens.training.settings import Config, Members
from tests.evaluation.known import MEMBERS, WING

HOSTILE = (
    "\"'</td><script>a()</script>[b]&amp; שלום 鳥 🐦\u202eexe"  # short enough to be shown whole
)


def write_run(folder, task=HOSTILE, data=HOSTILE, classes=WING.classes):
    """A run directory without checkpoints, whose training has ended."""
    folder.mkdir()
    config = Config(ensemble=Members(members=MEMBERS))
    files = {
        "config.toml": configs.to_toml(config),
        "info.json": Info(data, (Task.multiclass(task, classes, WING.parts[0]),)).to_json(),
    }
    record = provenance(config, "fingerprint", None, files)
    record["command"] = ["train", HOSTILE]
    files["provenance.json"] = json.dumps(record)
    score = {
        "task": task, "measure": "accuracy", "members": [0.25, 0.5, 0.75], "ensemble": 0.875,
        "chance": 0.125, "baseline": None, "mean": 0.5,
    }  # fmt: skip
    epochs = [
        {"epoch": e, "step": e, "loss": [1.0 / e] * 3, "member_images_per_second": 1.0}
        for e in (1, 2)
    ]
    healthy = {"diverged_at": [None] * 3}
    lines = [epoch | healthy | {"val": {task: score}} for epoch in epochs]
    lines.append({"test": {task: score}} | healthy)
    files["metrics.jsonl"] = "".join(map(to_line, lines))
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder
