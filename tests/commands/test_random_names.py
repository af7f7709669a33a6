"""Random names from files, through what annotate, report and export print, write and name."""

import json
import os
import unicodedata
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import jsonschema
import markdown_it
import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from jaxens import runs
from jaxens.annotation import SCHEMA, Rules, annotate, save_annotations, to_json
from jaxens.annotation.files import NAME
from jaxens.cli.console import console, say
from jaxens.data.reading import printable
from jaxens.data.schema import Task
from jaxens.export import export
from jaxens.names import LONGEST_FILE, shorten
from jaxens.pages import report
from jaxens.runs.card import card
from jaxens.runs.run import Run
from tests.evaluation.known import SIZE, KnownEnsemble
from tests.pages.written import write_run

pytestmark = pytest.mark.long

PARTS = (
    *("[/red]", "[b]", "<b>", "</td>", "<script>", "&amp;", "{{", "{%", "{0}", "%s", "$_{$", "\\"),
    *("*", "`", "```", "|", "_", "#", "![a](b)", "'", '"', "/", "..", "~", "\x00", "\t", "\r\n"),
    *("\x1b[2J", "\x1b]0;a\x07", "\x7f", "\x9b", "\u2028", "\u202e", "\u2066", "שלום", "مرحبا"),
    *("\u200d", "鳥", "🐦", "e\u0301", "ﬁ", " ", "a", "wren", "w" * 200),
)
TEXTS = st.one_of(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join),
    st.text(min_size=1, max_size=40),
    st.binary(min_size=1, max_size=20).map(os.fsdecode),  # of a file, if not UTF-8
)
# As every source of data reads them.
NAMES = TEXTS.map(printable)
SEVERAL = st.lists(NAMES, min_size=3, max_size=3, unique=True)
PLAIN = ("a", "b", "c")
RULES = Rules(method="input_x_gradient")


def few(count):
    phases = Phase.explicit, Phase.generate  # to shrink an example takes minutes
    return settings(
        max_examples=count, phases=phases, deadline=None, derandomize=True, database=None
    )


def check_shown(text):
    """Nothing moves a cursor, turns the direction of writing, or is a line of thousands."""
    for line in text.split("\n"):
        assert len(line) < 1000
        for character in line:
            assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")
            assert unicodedata.bidirectional(character)[:2] not in ("RL", "LR")
            assert unicodedata.bidirectional(character) not in ("PDF", "PDI", "FSI")
    text.encode()


def printed(*lines):
    with console.capture() as capture:
        for line in lines:
            say(line)
    return capture.get()


def known(classes, labels, task="kind"):
    """One image, two members: the second class of both tasks, and a part to point at."""
    maps = np.zeros((2, 1, 3, SIZE, SIZE))
    maps[..., 3, 2] = 1
    tasks = (
        Task.multiclass(task, tuple(classes)),
        Task.multiclass("marks of it", tuple(labels), ("wing",)),
    )
    logits = {each.name: np.tile([[[0.0, 4.0, 1.0]]], (2, 1, 1)) for each in tasks}
    return KnownEnsemble(tasks, {"input_x_gradient": maps}, logits)


# annotate


@few(6)
@given(classes=SEVERAL, labels=SEVERAL, file=TEXTS)
@example(
    classes=["[/red]", "\x1b[2J", "\u202egnp"],
    labels=["$_{$", "`|*", "w" * 10_000],
    file="\udce9.jpg",
)
@example(classes=["a", "<b>", "c"], labels=["{", "", " "], file="../../../e.png")
def test_annotate(classes, labels, file):
    image = np.zeros((1, SIZE, SIZE, 3), np.uint8)
    (annotation,) = annotate(known(classes, labels), image, rules=RULES, names=[file])
    content = json.loads(to_json([annotation], RULES, {"run": file}))
    jsonschema.validate(content, SCHEMA, jsonschema.Draft202012Validator)
    assert content["images"][0]["name"] == file
    assert content["images"][0]["prediction"] == annotation.prediction
    with TemporaryDirectory() as folder:
        out = Path(folder) / "a" / "out"
        for _ in range(2):  # its own annotations may be written again
            save_annotations(out, [annotation], RULES)
        written = [path for path in Path(folder).rglob("*") if path.is_file()]
        assert all(path.parent == out for path in written)
        (figure,) = (path for path in written if path.suffix == ".png")
        assert len(os.fsencode(figure.stem)) <= LONGEST_FILE
        figure.name.encode()
        assert json.loads((out / NAME).read_text())["images"] == content["images"]
    check_shown(
        printed(
            f"{shorten(annotation.name)}: {shorten(annotation.prediction)}: {annotation.sentence}"
        )
    )


# report


class Tags(HTMLParser):
    """The tags of a page with the names of their attributes, and its text."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, [name for name, _ in attributes]))

    def handle_data(self, data):
        self.text += data


@few(3)
@given(task=NAMES, data=NAMES, classes=SEVERAL)
@example(task="</td><script>a()</script>", data="\u202e{{ 1 }}\x1b[2J", classes=["a", "b", "c"])
def test_report(task, data, classes):
    with TemporaryDirectory() as folder:
        page = Tags(report(write_run(Path(folder) / "run", task, data, classes)))
        plain = Tags(report(write_run(Path(folder) / "plain", "task", "data", PLAIN)))
    assert page.tags == plain.tags
    assert " ".join(shorten(task).split()) in " ".join(page.text.split())
    assert not any(unicodedata.category(c) == "Cc" for c in page.text.replace("\n", ""))
    assert "\u202e" not in page.text


# export


@few(20)
@given(task=NAMES, data=NAMES, classes=SEVERAL)
@example(task="```", data="<img src=x>", classes=["![a](b)", "a|b", "\x1b[2J\n# b"])
@example(task="~~a~~", data="# &amp; _#", classes=["_", "$_{$", "#"])
@example(task="'", data="w" * 10_000, classes=["w" * 10_000, "\u202e", "`"])
def test_the_card_of_an_export(task, data, classes):
    def rendered(folder, task, data, classes):
        write_run(folder, task, data, classes)
        run = Run.open(folder)
        run.close()
        ensemble = SimpleNamespace(
            members=3, baseline=None, trunk=None, divergence="", tasks=run.info.tasks
        )
        text = card(run, ensemble)
        check_shown("\n".join(line[:900] for line in text.splitlines()))
        markdown = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
        return markdown.render(text)

    with TemporaryDirectory() as folder:
        shown = Tags(rendered(Path(folder) / "run", task, data, classes))
        plain = Tags(rendered(Path(folder) / "plain", "task", "data", PLAIN))
    assert shown.tags == plain.tags
    assert " ".join(shorten(data).split()) in " ".join(shown.text.split())


@few(20)
@given(name=TEXTS.filter(lambda text: "\0" not in text), members=st.integers(1, 2))
def test_what_export_prints(name, members):
    exported = SimpleNamespace(members=members)
    with console.capture() as capture, patch.object(runs, "export", lambda *_: exported):
        export(Path("run"), out=Path(name))
    check_shown(capture.get())
