"""The explain command names members that are not finite, and leaves them out."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxens
from jaxens.errors import UserError
from jaxens.evaluation.maps import Explainer
from jaxens.runs.loading import best_ensemble
from jaxens.runs.run import Run
from tests.commands.explained import explained, provenance_of, read

pytestmark = pytest.mark.slow


def test_a_member_whose_map_is_not_finite_is_named(run, photo, tmp_path, monkeypatch, caplog):
    maps = Explainer.maps

    def broken(*arguments):
        return {m: each.at[1, 0, 3, 3].set(jnp.nan) for m, each in maps(*arguments).items()}

    monkeypatch.setattr(Explainer, "maps", broken)
    explained(run.folder, photo, "--methods", "grad_cam", "--out", tmp_path)
    warnings = caplog.text
    assert (
        f"Grad-CAM of member 1 (0 to 1) is not finite for {photo}: left out of the mean" in warnings
    )
    assert (tmp_path / "grad_cam" / "members.png").exists()


def spoil(monkeypatch, where, *members):
    """NaN in what `where` names of the weights of some members."""

    def broken(run):
        ensemble = best_ensemble(run)
        variables = jax.tree_util.tree_map_with_path(
            lambda path, leaf: where(jax.tree_util.keystr(path), leaf, np.array(members)),
            ensemble.variables,
        )
        return dataclasses.replace(ensemble, variables=variables)

    monkeypatch.setattr("jaxens.runs.opened.best_ensemble", broken)


def all_of_it(_, leaf, members):
    return leaf.at[members].set(jnp.nan)


def the_last_bias(path, leaf, members):
    """One class's alone: no other class's logit, nor its gradient, passes by it."""
    return leaf.at[members, -1].set(jnp.nan) if "wing_pattern']['bias" in path else leaf


@pytest.mark.parametrize("where", [all_of_it, the_last_bias])
@pytest.mark.parametrize("method", ["grad_cam", "saliency"])
def test_a_member_that_diverged_is_named_and_has_no_say(
    run, source, tmp_path, monkeypatch, caplog, where, method
):
    spoil(monkeypatch, where, 0)
    ids = [source[row].id for row in (2, 7)]
    printed = explained(run.folder, "--task", "wing_pattern", "--ids", *ids, "--target", "0",
                        "--methods", method, "--save-maps", "--out", tmp_path)  # fmt: skip
    warnings = caplog.text
    assert "member 0 (0 to 1) gives NaN for every image: excluded from predictions" in warnings
    assert warnings.count("member 0") == 1
    ensemble = jaxens.load(run.folder)
    images = np.stack([source[row].image for row in (2, 7)])
    logits = np.asarray(ensemble.logits(images, "wing_pattern"), np.float64)[1]
    alone = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    maps, provenance = read(tmp_path, method)
    classes = Run.open(run.folder).info.task("wing_pattern").classes
    for i, prediction in enumerate(provenance["predictions"]):
        assert prediction["class"] == classes[alone[i].argmax()]
        assert prediction["probability"] == pytest.approx(alone[i].max(), abs=1e-5)
        assert (prediction["agreeing"], prediction["members"]) == (1, [1])
        assert f"{alone[i].max():.3f}" in next(
            line for line in printed.splitlines() if ids[i] in line
        )
    want = ensemble.attribute(images, 0, method, "wing_pattern")
    np.testing.assert_allclose(maps["maps"][1], want[1], atol=1e-5)
    assert np.isnan(maps["maps"][0]).all()
    assert (tmp_path / method / "members.png").exists()


def test_of_a_multilabel_task_a_member_that_diverged_finds_no_label(
    run, photo, tmp_path, monkeypatch, caplog
):
    spoil(monkeypatch, all_of_it, 1)
    explained(run.folder, photo, "--task", "marks", "--methods", "grad_cam", "--out", tmp_path)
    assert "member 1 (0 to 1) gives NaN" in caplog.text
    (prediction,) = provenance_of(tmp_path)["predictions"]
    assert prediction["agreeing"] == (prediction["probability"] > 0.5)


def test_where_all_members_diverged_nothing_is_explained(run, photo, tmp_path, monkeypatch):
    spoil(monkeypatch, all_of_it, 0, 1)
    with pytest.raises(UserError, match=r"every member gives NaN for every image: .*diverged"):
        explained(run.folder, photo, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()
