"""The report shows a run's files: the same numbers, every name escaped, without a network."""

import csv
import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxens.attribution import METHODS
from jaxens.errors import UserError
from jaxens.metrics import METRICS
from jaxens.names import file_names, shorten
from jaxens.pages import report
from jaxens.pages.evaluations import CHANCE, RESULTS
from jaxens.pages.page_figures import Album
from tests.pages.written import HOSTILE, write_run

pytestmark = pytest.mark.slow

SHOWN = shorten(HOSTILE)
TITLES = {name: each.title for table in (METHODS, METRICS) for name, each in table.items()}


class Page(HTMLParser):
    """The tables of a page by caption, as rows of (text, exact value), its tags and its text."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.tags, self.text = {}, [], ""
        self._cell, self._rows, self._caption = None, [], None
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        known = dict(attributes)
        self.tags.append((tag, known))
        if tag == "table":
            self._rows = []
        elif tag == "caption":
            self._caption = ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("th", "td"):
            self._cell = ["", known.get("data-value")]
            self._rows[-1].append(self._cell)

    def handle_endtag(self, tag):
        if tag == "caption":
            self.tables[self._caption] = self._rows
            self._caption = None
        elif tag in ("th", "td"):
            self._cell = None

    def handle_data(self, data):
        self.text += data
        if self._caption is not None:
            self._caption += data
        elif self._cell is not None:
            self._cell[0] += data


@pytest.fixture(scope="module")
def page(run):
    return Page(report(run))


def lines_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def check(table, lines, columns):
    """Whether a table is a file: numbers by their exact text, and by what is shown of them."""
    head, *rows = table
    assert [text for text, _ in head] == list(columns.values())
    assert len(rows) == len(lines)
    for row, line in zip(rows, lines, strict=True):
        for (text, value), name in zip(row, columns, strict=True):
            if value is None:
                assert text == TITLES.get(line[name], line[name])
                continue
            assert value == line[name]
            if value == "nan":
                assert text == "–"
            else:
                shown = float(text.split(" ")[0].strip("*"))
                assert shown == pytest.approx(float(value), abs=5.1e-4, rel=0.5e-3)


def test_tables_are_the_csv_files(run, page):
    folder = run / "evaluation"
    results, chance = lines_of(folder / "tables.csv"), lines_of(folder / "chance.csv")
    assert results
    check(page.tables[f"{SHOWN}: members and ensemble"], results, RESULTS)
    name = f"{SHOWN}: chance, the scores of maps without information"
    check(page.tables[name], chance, CHANCE)
    hits = page.tables["How often arrows hit what they point at"]
    assert hits[1:] == [
        [["<i>a</i>", None], ["0.123", "0.123456"]],
        [["\\u202eb", None], ["–", "nan"]],
    ]


def test_numbers_of_the_figures_are_the_csv_files(run, page):
    for caption, file, over, value in (
        ("by number of members", "sizes", "members", "mean"),
        ("by threshold", "thresholds", "threshold", "ensemble"),
    ):
        head, *rows = page.tables[f"{SHOWN}: scores of the mean map {caption}"]
        across = [text for text, _ in head[2:]]
        lines = lines_of(run / "evaluation" / f"{file}.csv")
        shown = [
            (at, exact) for row in rows for at, (_, exact) in zip(across, row[2:], strict=True)
        ]
        assert shown == [(line[over], line[value]) for line in lines]


def test_the_held_out_scores_are_those_of_the_log(page):
    head, row = page.tables["Predictions on the held-out images"]
    of = dict(zip((text for text, _ in head), row, strict=True))
    assert of["task"][0] == SHOWN
    exact = {name: value for name, (_, value) in of.items() if value}
    assert exact == {
        "average member": "0.5", "worst member": "0.25", "best member": "0.75",
        "ensemble": "0.875", "chance": "0.125",
    }  # fmt: skip


def test_names_are_shown_and_nothing_else(page):
    assert [tag for tag, _ in page.tags].count("script") == 1  # that of the page
    assert page.text.count(SHOWN) > 5
    assert "\u202e" not in page.text
    alternatives = [known["alt"] for tag, known in page.tags if tag == "img"]
    assert any(SHOWN in text for text in alternatives)
    assert not any("\u202e" in str(known) for _, known in page.tags)


def test_the_page_needs_no_network(page):
    for _, known in page.tags:
        assert known.get("src", "data:image/").startswith("data:image/")
        assert known.get("href", "#").startswith("#")
    links = [known["href"][1:] for _, known in page.tags if "href" in known]
    assert set(links) <= {known.get("id") for _, known in page.tags}


def test_every_figure_has_words_and_says_how_to_read_it(page):
    figures = [tag for tag, _ in page.tags].count("figure")
    assert figures == 5  # curves, sizes, thresholds, three images, members
    images = [known for tag, known in page.tags if tag == "img"]
    assert len(images) == figures
    assert all(len(known["alt"].split()) > 8 for known in images)
    assert [tag for tag, _ in page.tags].count("figcaption") == figures


def test_a_run_that_was_not_evaluated_has_a_page(tmp_path):
    text = Page(report(write_run(tmp_path / "run"))).text
    assert "They have not been scored yet" in text
    (tmp_path / "run" / "metrics.jsonl").unlink()
    text = Page(report(tmp_path / "run")).text
    assert "No epoch has been trained yet" in text
    assert "The training has not ended" in text


def test_without_room_the_page_names_the_file(tmp_path, run):
    path = run / "evaluation" / "sizes" / "picture.png"
    path.write_bytes(next((run / "evaluation" / "sizes").glob("*.png")).read_bytes())
    figure = Album(room=100).of_file(path, "title", "words", "reading")
    path.unlink()
    assert not figure.source
    assert figure.file == "evaluation/sizes/picture.png"


def test_a_page_of_many_questions_and_large_figures_is_below_10_megabytes(run, tmp_path):
    folder, names = tmp_path / "large", [f"question {k}" for k in range(300)]
    shutil.copytree(run / "evaluation", folder)
    for name in ("tables", "chance", "sizes", "thresholds"):
        header, *rows = csv.reader((folder / f"{name}.csv").read_text().splitlines())
        place = header.index("question")
        copies = [[*row[:place], each, *row[place + 1 :]] for each in names for row in rows * 3]
        with (folder / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([header, *copies])
    settings = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps(settings | {"questions": names}))
    noise = np.random.default_rng(0).integers(0, 256, (1000, 1000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    for name in file_names(names[:20]):
        shutil.copy(tmp_path / "noise.png", folder / "sizes" / f"{name}.png")
    text = report(run, [folder])
    page = Page(text)
    assert 5_000_000 < len(text.encode()) < 10_000_000
    assert all(f"{name}: members and ensemble" in page.tables for name in names)
    assert "This page has no room for them: see the CSV files in large." in page.text


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tables.csv", "question\n", "tables.csv lacks the column better"),
        (
            "chance.csv",
            "question,metric,map,mean,n\na,b\n",
            "chance.csv: row 2 has 2 values, not 5",
        ),
        ("scores.npz", "no archive", "scores.npz can't be read"),
        ("settings.json", "[]", "settings.json can't be read"),
        ("settings.json", '{"questions": [3], "methods": []}', r"questions\[0\] is 3, not text"),
        ("settings.json", "[" * 900 + "]" * 900, "settings.json can't be read: it is nested too"),
        ("sizes/{}.png", "no picture", "png is no PNG file"),
    ],
)
def test_a_damaged_file_is_named(run, evaluation, tmp_path, file, content, message):
    folder = tmp_path / "evaluation"
    evaluation.save(folder, "Scores")
    name = next((folder / "sizes").glob("*.png")).stem
    (folder / file.format(name)).write_text(content)
    with pytest.raises(UserError, match=message):
        report(run, [folder])
