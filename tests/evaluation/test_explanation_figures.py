"""Figures of an explanation: their pages, captions, titles and marks."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxens.cli import tables
from jaxens.cli.console import uncut
from jaxens.data.schema import Task
from jaxens.evaluation import MethodSettings, explain
from jaxens.evaluation.captions import captions, folder_name, title
from jaxens.evaluation.predictions import choose_targets
from jaxens.evaluation.provenance import provenance
from jaxens.evaluation.settings import Display
from tests.evaluation.explained import IMAGES, LOGITS, PAIR, known_ensemble, known_photos
from tests.evaluation.known import (
    WING,
    KnownEnsemble,
)
from tests.viz.helpers import texts


@pytest.fixture
def ensemble():
    return known_ensemble()


def test_figures_are_pages_of_members_centers_and_comparison(ensemble):
    explanation = explain(ensemble, IMAGES, methods=["saliency"], names=list("abcd"))
    names = ["members", "centers", "single-vs-ensemble"]
    figures = dict(explanation.figures("saliency"))
    assert list(figures) == names
    assert all(isinstance(figure, Figure) for figure in figures.values())
    shown = texts(figures["members"])
    assert any(text.startswith("a\nbarred, ") and "3 of 3 members agree" in text for text in shown)
    pages = dict(explanation.figures("saliency", Display(images_per_figure=3)))
    assert list(pages) == [f"{name}-{page}" for page in (1, 2) for name in names]
    assert any(text.startswith("d\n") for text in texts(pages["members-2"]))


@pytest.mark.slow
def test_several_processes_draw_the_same_figures(ensemble, tmp_path):
    explanation = explain(ensemble, IMAGES, methods=PAIR, names=["a", "b/c", "d.e.png", "f"])
    seen = []
    for processes in (1, 2):
        explanation.save(
            tmp_path / str(processes),
            display=Display(images_per_figure=1),
            processes=processes,
            progress=lambda *call: seen.append(call),
        )
    assert seen == [("drawing", page, 8) for page in range(1, 9)] * 2
    one, two = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*.png")}
        for folder in (tmp_path / "1", tmp_path / "2")
    )
    assert one == two
    assert len(one) == 2 * 4 * 3
    assert {"members-1-a.png", "members-2-c.png", "members-3-d.e.png"} <= {p.name for p in one}


@pytest.mark.slow
def test_the_display_changes_colors_and_no_map(ensemble):
    explanation = explain(ensemble, IMAGES, methods=["input_x_gradient"])
    before = explanation.maps["input_x_gradient"].copy()

    def panel(**changes):
        figure = dict(explanation.figures("input_x_gradient", Display(**changes)))["members"]
        return np.asarray(figure.axes[0].images[1].get_array())

    for changes in ({"colors": "heat"}, {"scale": "shared"}, {"percentile": 50.0}):
        assert (panel() != panel(**changes)).any()
    np.testing.assert_array_equal(panel(), panel(colors="signed"))  # as the method's maps are
    np.testing.assert_array_equal(explanation.maps["input_x_gradient"], before)


def test_the_label_tells_a_right_prediction_from_a_wrong_one(ensemble):
    photos = known_photos(np.array([1, 0, -1, 0]))
    subject = choose_targets(ensemble, photos)  # predicts 1, 2, 0, 0
    rows = subject.table.to_dicts()
    assert [row["label"] for row in rows] == ["barred", "plain", None, "plain"]
    assert [row["right"] for row in rows] == [True, False, None, True]
    last = [text.split("\n")[-1] for text in captions(subject)]
    assert last[:2] == ["right, label: barred", "wrong, label: plain"]
    assert "label" not in last[2]
    shown = str(uncut(tables.predictions(subject), 200))
    assert shown.count("prediction wrong") == 1
    (line,) = [line for line in shown.splitlines() if "prediction wrong" in line]
    assert "plain, prediction wrong" in line
    described = provenance(ensemble, subject, ["saliency"], MethodSettings(), None, "run", "best")
    predictions = described["saliency"]["predictions"]
    assert [p["label"] for p in predictions] == ["barred", "plain", None, "plain"]


def test_a_split_and_photos_come_with_their_labels_and_arrays_without(ensemble):
    photos = known_photos(np.array([1, 0, -1, 0]))
    tables = [
        explain(ensemble, images, methods=["saliency"]).table.to_dicts()
        for images in (photos, photos.truth, IMAGES)
    ]
    assert [row["image"] for row in tables[0]] == list("abcd")
    assert [row["image"] for row in tables[1]] == [f"bird {i}" for i in range(4)]
    for rows in tables[:2]:
        assert [row["right"] for row in rows] == [True, False, None, True]
    assert [row["label"] for row in tables[2]] == [None] * 4


def test_a_label_of_a_multilabel_task_is_right_if_the_image_has_it(ensemble):
    marks = replace(WING, name="marks", kind="multilabel")
    known = KnownEnsemble((marks,), ensemble.maps, {"marks": LOGITS})
    labels = np.array([[0, 1, 1], [1, 0, 0], [-1, 0, 0], [0, 0, 0]])
    rows = choose_targets(known, known_photos(labels, marks)).table.to_dicts()
    assert [row["label"] for row in rows] == ["barred + spotted", "plain", "none", "none"]
    assert [row["right"] for row in rows] == [True, False, None, False]


def test_of_an_unknown_label_no_caption_says_right_or_wrong(ensemble):
    marks = replace(WING, name="marks", kind="multilabel")
    known = KnownEnsemble((marks,), ensemble.maps, {"marks": LOGITS})
    labels = np.array([[1, -1, 1], [1, 0, 1], [0, 0, 0], [-1, 0, 0]])
    subject = choose_targets(known, known_photos(labels, marks))
    rights = [row["right"] for row in subject.table.to_dicts()]
    last = [text.split("\n")[-1] for text in captions(subject)]
    assert rights == [None, True, False, None]
    assert last == [
        "label: plain + spotted", "right, label: plain + spotted", "wrong, label: none",
        "label: none",
    ]  # fmt: skip


def test_the_marked_part_is_drawn_on_images_of_a_data_set_alone(ensemble):
    photos = known_photos(np.zeros(4, int))
    marked = explain(ensemble, photos, methods=["saliency"]).figures("saliency")
    plain = explain(ensemble, IMAGES, methods=["saliency"]).figures("saliency")
    for (name, figure), (_, without) in zip(marked, plain, strict=True):
        several = name != "single-vs-ensemble"
        assert len(figure.axes[0].collections) == 4 * several
        crosses = [line for line in figure.axes[0].lines if line.get_marker() == "+"]
        assert len(crosses) == 3 * several
        title = figure.texts[0].get_text()
        assert ("yellow: the marked part" in title.replace("\n", " ")) == several
        assert not without.axes[0].collections


def test_no_title_speaks_of_marks_where_there_are_none(ensemble):
    photos = known_photos(np.zeros(4, int))
    photos.truth.masks[:] = 0
    photos.truth.points[:] = np.nan
    explanation = explain(ensemble, photos, methods=["saliency"])
    for _, figure in explanation.figures("saliency"):
        assert "yellow" not in figure.texts[0].get_text()


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ({}, "wing: the predicted class of each image"),
        ({"target": "barred"}, "wing: barred"),
        ({"target": 1, "against": 0}, "wing: barred rather than plain"),
    ],
)
def test_the_title_names_method_samples_task_and_class(ensemble, chosen, words):
    subject = explain(ensemble, IMAGES, methods=["saliency"], **chosen).subject
    settings = MethodSettings(lime_samples=70, steps=20)
    assert title("lime", subject, settings) == f"LIME (70 samples) of {words}"
    assert title("saliency", subject, settings) == f"Saliency of {words}"
    assert title("integrated_gradients", subject, settings).startswith(
        "Integrated Gradients (20 steps) of"
    )


def test_of_one_member_nothing_says_mean_spread_or_agreement(ensemble):
    alone = replace(
        ensemble,
        maps={method: maps[:1] for method, maps in ensemble.maps.items()},
        known_logits={"wing": LOGITS[:1]},
    )
    explanation = explain(alone, IMAGES, methods=["saliency"])
    figures = dict(explanation.figures("saliency"))
    assert list(figures) == ["members", "centers"]
    shown = str(uncut(tables.predictions(explanation.subject), 200))
    for figure in figures.values():
        shown += " ".join([*texts(figure), *(text.get_text() for text in figure.texts)])
    for word in ("mean", "spread", "agree", "ensemble", "each of"):
        assert word not in shown


def test_a_folder_is_named_after_what_is_explained_and_is_never_a_path(ensemble):
    photos = known_photos(np.zeros(4, int))
    subject = choose_targets(ensemble, replace(photos, names=["../../a b.png", *"bcd"]))
    assert folder_name(subject, None, None, None) == "explained-a_b-and-3-more-wing"
    assert folder_name(subject, "test", "barred", "0") == "explained-test-wing-barred-not-0"
    task = replace(WING, name="../../escaped")
    hostile = replace(subject, predictions=replace(subject.predictions, task=task))
    assert "/" not in folder_name(hostile, "test", "../x" * 100, None)
    assert len(folder_name(hostile, "test", "../x" * 100, None)) <= 100


def test_long_lines_of_a_caption_lose_their_middle(ensemble):
    long = Task.multiclass("wing", ("a" * 20 + "b" * 20, "c", "d"), ("wing",))
    known = KnownEnsemble((long,), ensemble.maps, {"wing": LOGITS})
    explanation = explain(known, IMAGES, methods=["saliency"], target=0)
    lines = captions(explanation.subject)[0].split("\n")
    assert all(len(line) <= 30 for line in lines)
    assert lines[1].startswith("a" * 14 + "…")
    assert lines[2] == "predicted: c, 0.79"
