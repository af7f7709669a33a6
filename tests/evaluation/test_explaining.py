"""`explain` gives the members' maps of what is predicted, as arrays, tables and files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from jaxens.errors import UserError
from jaxens.evaluation import MethodSettings, evaluate, explain
from jaxens.evaluation.provenance import check_folders, provenance
from tests.evaluation.explained import IMAGES, LOGITS, PAIR, known_ensemble
from tests.evaluation.known import (
    MEMBERS,
    PROTOCOL,
    WING,
    KnownEnsemble,
    draw,
    draw_logits,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def ensemble():
    return known_ensemble()


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


def test_an_explanation_saves_figures_maps_and_provenance(ensemble, tmp_path):
    explanation = explain(ensemble, IMAGES, methods=PAIR, target=2, against=0)
    subject, settings = explanation.subject, explanation.settings
    described = provenance(ensemble, subject, PAIR, settings, None, "run", "best")
    explanation.save(tmp_path, described, save_maps=True)
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
    def described(**changes):
        explanation = explain(ensemble, IMAGES, methods=["saliency"], **changes)
        subject, settings = explanation.subject, explanation.settings
        return explanation, provenance(
            ensemble, subject, ["saliency"], settings, None, "run", "best"
        )

    explanation, first = described()
    check_folders(tmp_path, first)  # an empty folder
    explanation.save(tmp_path, first)
    check_folders(tmp_path, first)
    with pytest.raises(UserError, match="saliency explains other images, or with other settings"):
        check_folders(tmp_path, described(target=2)[1])


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
