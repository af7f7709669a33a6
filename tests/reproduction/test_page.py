"""The page shows every row, says what disagrees, and escapes what it shows."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from jaxens.reproduction.measuring import SizeCurve
from jaxens.reproduction.outcomes import Outcome, Reproduction
from jaxens.reproduction.page import page_context, render
from jaxens.reproduction.session import Session
from jaxens.reproduction.watch import Watch
from tests.reproduction.known import compared, experiment

HOSTILE = "<script>alert(1)</script> & | *bold* [link](http://evil)"


@pytest.fixture
def pages(tmp_path):
    """The pages of known outcomes: HTML, and Markdown."""

    def pages(*outcomes):
        reproduction = Reproduction(outcomes, Session(tmp_path, {}, "", Watch()), True)
        context = page_context(reproduction)
        return render("reproduction.html", context), render("reproduction.md", context)

    return pages


@pytest.fixture
def outcome():
    rows = [
        compared((0.17, 0.19), (0.171, 0.192), stars="****"),
        compared((0.04, 0.05), (0.05, 0.04), stars="****", method="saliency"),
        compared((0.11, 0.13), (0.1, 0.12), p=0.02, stars="****", method="lime"),
        compared((0.04, 0.05), None, stars="****", method="integrated_gradients"),
    ]
    return Outcome(experiment(discussion="The region grows.\n\nIt is small."), rows)


class Tags(HTMLParser):
    """Checks that every tag is closed in order, and collects the tags and texts."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "path", "use"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("path", "use"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(html):
    tags = Tags()
    tags.feed(html)
    assert not tags.open
    return tags


def test_every_row_has_both_numbers_and_a_verdict(pages, outcome):
    html, markdown = pages(outcome)
    text = " ".join(parsed(html).text)
    for page in (text.replace("\N{NO-BREAK SPACE}", " "), markdown.replace("\\", "")):
        for number in (
            "0.17",
            "0.19****",
            "0.171",
            "0.192****",
            "+0.020 [-0.010, +0.050], p 0.200",
        ):
            assert number in page
        for words in ("1 disagree", "1 agree in direction only", "1 agree"):
            assert words in page
    rows = [line for line in markdown.splitlines() if line.startswith("| ") and "0.17" in line]
    header = next(line for line in markdown.splitlines() if line.startswith("| method"))
    assert {row.count(" |") for row in rows} == {header.count(" |")}


def test_rows_that_disagree_come_first_with_their_discussion(pages, outcome):
    for page in pages(outcome):
        listed = page.index("Saliency, IoU (higher is better): the paper")
        assert listed < page.index("The region grows.") < page.index("What differs from the paper")
        assert "ours is worse (0.050 → 0.040****, p 1e-06)" in page.replace("\\", "")
        assert "1 of 4 rows" in page


def test_a_failure_is_at_the_top(pages):
    rows = [compared((0.1, 0.2), None)]
    for page in pages(Outcome(experiment(rows=()), rows, error="no disk: free some space")):
        assert page.index("no disk: free some space") < page.index("Rows that disagree")
        assert "no counterpart" in page


def test_what_is_shown_is_escaped(pages):
    rows = [compared((0.1, 0.2), (0.2, 0.1), diversity=HOSTILE), compared((0.1, 0.2), (0.1, 0.2))]
    known = experiment(
        name=HOSTILE, differences=[HOSTILE], discussion=HOSTILE, command=HOSTILE, time=HOSTILE
    )
    html, markdown = pages(Outcome(known, rows, error=HOSTILE))
    tags = parsed(html)
    assert "script" not in [tag for tag, _ in tags.tags]
    assert any("<script>alert(1)</script> &" in text for text in tags.text)
    assert not re.search(r"(?<!\\)<[a-z/]", markdown)
    assert not re.search(r"(?<!\\)\]\(http", markdown)


def test_the_page_needs_no_network(pages, outcome):
    html, _ = pages(outcome)
    for _, attributes in parsed(html).tags:
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith("#")
    assert "@import" not in html
    assert "url(" not in html


def test_curves_are_drawn_with_a_text_alternative(pages, tmp_path):
    mean = np.array([0.1, 0.15, 0.16])
    curve = SizeCurve(mean, mean - 0.01, mean + 0.01, 0.1, 40)
    rows = [compared(None, (0.1, 0.16), direction="better")]
    known = Outcome(experiment("figure-5", "sizes"), rows, {("grad_cam", "iou"): curve})
    html, markdown = pages(known)
    tags = [attributes for _, attributes in parsed(html).tags]
    # A narrow window scrolls it, also by the keyboard.
    assert any(a.get("class") == "drawing" and a.get("tabindex") == "0" for a in tags)
    drawing = next(a for a in tags if a.get("role") == "img")
    assert "0.100 with 1, 0.150 with 2, 0.160 with 3 members" in drawing["aria-label"]
    assert "<svg" in html
    assert "](figure-5.svg)" in markdown
    assert (tmp_path / "figure-5.svg").exists()


def test_a_certain_row_that_other_members_could_change_is_named(pages, outcome):
    for page in pages(outcome):
        assert "other members could give another result: Grad-CAM, Saliency." in page
