"""A small run directory, and what is done to its files."""

import json

import pytest

from jaxens.data.schema import Info, Task
from jaxens.ensemble.quality import Quality
from jaxens.errors import UserError
from jaxens.runs.provenance import checksum
from jaxens.runs.run import Run
from jaxens.training.settings import Config, Members

WING = Task.multiclass("wing", ("plain", "barred"), ("wing",))
MARKS = Task.multilabel("marks", {"eye ring": ("eye",), "crest": ("head",)})
INFO = Info("Birds", (WING, MARKS), points=("eye", "head"), masks=("wing",))
CONFIG = Config(ensemble=Members(3))
SCORES = {
    task.name: Quality(task.name, measure, (0.5, 0.25, 0.75), 0.75, 0.5).as_dict()
    for task, measure in ((WING, "accuracy"), (MARKS, "AUC"))
}


def edit(folder, name, change):
    """Changes the text of a file."""
    path = folder / name
    text = path.read_text()
    changed = change(text)
    assert changed != text
    path.write_text(changed)


def update_checksums(folder):
    """As somebody does who writes a run directory by hand."""

    def change(text):
        record = json.loads(text)
        files = {name: checksum((folder / name).read_text()) for name in record["files"]}
        return json.dumps(record | {"files": files})

    edit(folder, "provenance.json", change)


def refusal(folder):
    with pytest.raises(UserError) as caught:
        Run.open(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)
