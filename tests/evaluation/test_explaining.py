"""`explain` gives the members' maps of what is predicted, as arrays, tables, figures and files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from jaxens.cli import tables
from jaxens.cli.console import uncut
from jaxens.data.photos import Photos
from jaxens.data.schema import Task
from jaxens.errors import UserError
from jaxens.evaluation import MethodSettings, evaluate, explain
from jaxens.evaluation import explanation as explanations
from jaxens.evaluation.captions import captions, folder_name, title
from jaxens.evaluation.explaining import explain_subject
from jaxens.evaluation.predictions import choose_targets
from jaxens.evaluation.settings import Display
from tests.evaluation.known import (
    MEMBERS,
    PROTOCOL,
    SIZE,
    WING,
    KnownEnsemble,
    draw,
    draw_logits,
    known_split,
)
from tests.viz.helpers import texts

IMAGES = np.zeros((4, SIZE, SIZE, 3), np.uint8)
IMAGES[:, 0, 0, 0] = np.arange(4)
PAIR = ("saliency", "input_x_gradient")
# Members by images by classes. All agree on image 0, two of three on image 1.
LOGITS = np.zeros((3, 4, 3), np.float32)
LOGITS[:, 0, 1] = 2
LOGITS[:2, 1, 2] = 3
LOGITS[2, 1, 0] = 1
LOGITS[:, 2:, 0] = 1


@pytest.fixture
def ensemble():
    rng = np.random.default_rng(0)
    maps = {method: rng.normal(size=(3, 4, 3, SIZE, SIZE)) for method in PAIR}
    return KnownEnsemble((WING,), maps, {"wing": LOGITS})


def test_maps_are_of_the_prediction_by_default(ensemble):
    explanation = explain(ensemble, IMAGES, methods=PAIR)
    assert list(explanation.maps) == list(PAIR)
    for method in PAIR:
        want = ensemble.maps[method][:, range(4), [1, 2, 0, 0]]
        np.testing.assert_allclose(explanation.maps[method], want, rtol=1e-6)


def test_maps_are_of_a_target_and_of_its_contrast(ensemble):
    maps = ensemble.maps["saliency"]
    barred = explain(ensemble, IMAGES, methods=["saliency"], target="barred")
    np.testing.assert_allclose(barred.maps["saliency"], maps[:, :, 1], rtol=1e-6)
    contrast = explain(ensemble, IMAGES, methods=["saliency"], target=1, against="spotted")
    want = maps[:, :, 1] - maps[:, :, 2]
    np.testing.assert_allclose(contrast.maps["saliency"], want, rtol=1e-5)
    assert {row["against"] for row in contrast.table.to_dicts()} == {"spotted"}


def test_the_table_has_prediction_probability_and_agreement(ensemble):
    names = ["a", "b", "c", "d"]
    table = explain(ensemble, IMAGES, methods=["saliency"], target=1, names=names).table
    each = np.exp(LOGITS.astype(np.float64))
    mean = (each / each.sum(axis=-1, keepdims=True)).mean(axis=0)
    for i, row in enumerate(table.to_dicts()):
        assert row["image"] == names[i]
        assert row["prediction"] == WING.classes[[1, 2, 0, 0][i]]
        assert row["probability"] == pytest.approx(mean[i].max(), abs=1e-6)
        assert row["target"] == "barred"
        assert row["target_probability"] == pytest.approx(mean[i, 1], abs=1e-6)
        assert (row["agreeing"], row["members"]) == ([3, 2, 3, 3][i], 3)
        assert row["against"] is None


def test_a_multilabel_task_counts_the_members_that_find_the_label_probable(ensemble):
    marks = replace(WING, name="marks", kind="multilabel")
    known = KnownEnsemble((marks,), ensemble.maps, {"marks": LOGITS - 1})
    rows = explain(known, IMAGES, methods=["saliency"]).table.to_dicts()
    assert [row["agreeing"] for row in rows[:2]] == [3, 2]
    # The logit is 0, a probability of one half, which is not above it.
    assert [row["agreeing"] for row in rows[2:]] == [0, 0]


def test_a_member_that_gives_nan_is_excluded_from_prediction_and_maps(ensemble, caplog):
    logits = LOGITS.copy()
    logits[0, 1] = np.nan
    explanation = explain(replace(ensemble, known_logits={"wing": logits}), IMAGES, methods=PAIR)
    assert "member 0 (0 to 2) gives NaN for 1: excluded from predictions and maps" in caplog.text
    row = explanation.table.to_dicts()[1]
    each = np.exp(LOGITS[1:, 1].astype(np.float64))
    mean = (each / each.sum(axis=-1, keepdims=True)).mean(axis=0)
    assert (row["prediction"], row["agreeing"], row["members"]) == ("spotted", 1, 2)
    assert row["probability"] == pytest.approx(mean.max(), abs=1e-6)
    for maps in explanation.maps.values():
        broken = np.isnan(maps).all(axis=(-2, -1))
        assert np.argwhere(broken).tolist() == [[0, 1]]
        assert np.isfinite(maps[~broken]).all()


def test_a_map_that_is_not_finite_is_named(ensemble, caplog):
    ensemble.maps["saliency"][2, 3] = np.inf
    explain(ensemble, IMAGES, methods=["saliency"], names=list("abcd"))
    assert "Saliency of member 2 (0 to 2) is not finite for d: left out" in caplog.text


def test_progress_counts_maps_up_to_their_total(ensemble):
    calls = []
    settings = MethodSettings(member_images_at_once=3)  # one image of three members
    explain(ensemble, IMAGES, methods=PAIR, settings=settings,
            progress=lambda *call: calls.append(call))  # fmt: skip
    assert calls == [("explaining", 2 * images, 8) for images in (1, 2, 3, 4)]


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


def test_an_explanation_saves_figures_maps_and_provenance(ensemble, tmp_path):
    explanation = explain(ensemble, IMAGES, methods=PAIR, target=2, against=0)
    subject, settings = explanation.subject, explanation.settings
    provenance = explanations.provenance(ensemble, subject, PAIR, settings, None, "run", "best")
    explanation.save(tmp_path, provenance, save_maps=True)
    figures = {f"{name}.png" for name in ("members", "centers", "single-vs-ensemble")}
    for method in PAIR:
        files = {file.name for file in (tmp_path / method).iterdir()}
        assert files == {"explanation.json", "maps.npz", *figures}
        kept = np.load(tmp_path / method / "maps.npz")
        np.testing.assert_array_equal(kept["maps"], explanation.maps[method])
        assert kept["targets"].tolist() == [2] * 4
        assert (str(kept["task"]), int(kept["against"])) == ("wing", 0)
        written = json.loads((tmp_path / method / "explanation.json").read_text())
        assert written["explained"]["method"] == method
        assert [image["target"] for image in written["explained"]["images"]] == ["spotted"] * 4


def test_without_provenance_and_maps_only_figures_are_saved(ensemble, tmp_path):
    explain(ensemble, IMAGES, methods=["saliency"]).save(tmp_path)
    assert {file.suffix for file in (tmp_path / "saliency").iterdir()} == {".png"}


def test_results_of_something_else_are_never_overwritten(ensemble, tmp_path):
    def provenance(**changes):
        explanation = explain(ensemble, IMAGES, methods=["saliency"], **changes)
        described = explanations.provenance(
            ensemble, explanation.subject, ["saliency"], explanation.settings, None, "run", "best"
        )
        return explanation, described

    explanation, first = provenance()
    explanations.check_folders(tmp_path, first)  # an empty folder
    explanation.save(tmp_path, first)
    explanations.check_folders(tmp_path, first)
    with pytest.raises(UserError, match="saliency explains other images, or with other settings"):
        explanations.check_folders(tmp_path, provenance(target=2)[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": ["gradcam"]}, "unknown method 'gradcam'"),
        ({"methods": ["gradient_shap"]}, "gradient_shap needs background images"),
        ({"task": "bill"}, "there is no task 'bill': choose from wing"),
        ({"target": "bared"}, "`target` bared: wing has no such class: did you mean barred"),
        ({"target": 3}, "or a number from 0 to 2"),
        ({"target": "9" * 5000}, r"`target` 9+…9+: wing has no such class"),
        ({"against": "tail"}, "`against` tail: wing has no such class: choose from plain"),
        ({"target": 1, "against": "barred"}, "`against` barred is `target`"),
        ({"against": "spotted"}, "`against` spotted is the prediction for 1"),
    ],
)
def test_a_mistake_is_named(ensemble, changes, message):
    with pytest.raises(UserError, match=message):
        explain(ensemble, IMAGES, **{"methods": ["saliency"], **changes})


def test_where_every_member_gives_nan_the_image_is_named(ensemble):
    logits = LOGITS.copy()
    logits[:, 2] = np.nan
    with pytest.raises(UserError, match="every member gives NaN for c: training diverged"):
        explain(replace(ensemble, known_logits={"wing": logits}), IMAGES, names=list("abcd"))


def known_photos(labels, task=WING):
    """The four images with labels, a mask each, and key points of all but the first."""
    masks = np.zeros((4, SIZE, SIZE), bool)
    masks[:, 2:5, 3:6] = True
    points = np.full((4, 2), 0.5)
    points[0] = np.nan
    truth = known_split(masks, points, {task.name: labels}, (task,))
    return Photos(list("abcd"), IMAGES, np.arange(4), ["0"] * 4, truth)


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
    provenance = explanations.provenance(
        ensemble, subject, ["saliency"], MethodSettings(), None, "run", "best"
    )
    predictions = provenance["saliency"]["predictions"]
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
    subject = choose_targets(ensemble, known_photos(np.zeros(4, int)))
    marked = explain_subject(
        ensemble, subject, methods=["saliency"], settings=MethodSettings()
    ).figures("saliency")
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
    subject = choose_targets(ensemble, photos)
    explanation = explain_subject(
        ensemble, subject, methods=["saliency"], settings=MethodSettings()
    )
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


@pytest.mark.parametrize("command", ["explain", "evaluate"])
def test_the_model_is_checked_before_anything_is_explained(ensemble, split, command, monkeypatch):
    def check(self, images, methods, member):
        raise ValueError("its halves are another function")

    monkeypatch.setattr(KnownEnsemble, "check", check)
    monkeypatch.setattr(KnownEnsemble, "explain", None)
    known = KnownEnsemble((WING,), draw(MEMBERS, 2), draw_logits(MEMBERS))
    commands = {
        "explain": lambda: explain(ensemble, IMAGES, methods=PAIR),
        "evaluate": lambda: evaluate(known, split, methods=PAIR, protocol=PROTOCOL),
    }
    with pytest.raises(UserError, match="cannot be explained: its halves are another function"):
        commands[command]()
