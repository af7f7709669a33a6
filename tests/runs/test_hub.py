"""Weights come from the Hugging Face Hub with their revision; each failure is one line."""

import logging
import sys

import huggingface_hub
import jax
import numpy as np
import pytest
import safetensors.numpy
from huggingface_hub import errors

from jaxens.errors import UserError
from jaxens.models import from_state_dict
from jaxens.models.trunk import below_heads
from jaxens.runs.hub import fetch
from jaxens.runs.weights import read_weights
from jaxens.training.settings import Model
from tests.models import state_dicts

NAME = "hf:timm/tiny.tv_in1k"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def serve(monkeypatch, answer):
    """Replaces the Hub: `answer` takes a repository, a file and a revision."""

    def download(repository, file, *, revision=None):
        return answer(repository, file, revision)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)


def test_a_file_is_fetched_with_the_commit_that_it_comes_from(monkeypatch, tmp_path):
    fetches = []

    def answer(*what):
        fetches.append(what)
        return str(tmp_path / "snapshots" / COMMIT / "model.safetensors")

    serve(monkeypatch, answer)
    for name in (NAME, f"{NAME}@v2"):
        fetched = fetch(name)
        assert fetched.path == tmp_path / "snapshots" / COMMIT / "model.safetensors"
        assert fetched.revision == COMMIT
    repository = NAME.removeprefix("hf:")
    assert fetches == [
        (repository, "model.safetensors", None),
        (repository, "model.safetensors", "v2"),
    ]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.LocalEntryNotFoundError, "the Hub can't be reached, and the file is not in its"),
        (errors.OfflineModeIsEnabled, "the Hub can't be reached, and the file is not in its"),
        (errors.HfHubHTTPError, "the Hub can't be reached, and the file is not in its"),
        (errors.RepositoryNotFoundError, "has no public repository timm/tiny.tv_in1k: correct"),
        (errors.RevisionNotFoundError, "timm/tiny.tv_in1k has no revision 'v9': name a commit"),
        (errors.EntryNotFoundError, "timm/tiny.tv_in1k has no model.safetensors: name another"),
        (
            errors.HFValidationError,
            "is not a repository: write hf:OWNER/NAME, for example hf:timm/",
        ),
    ],
)
def test_each_failure_of_the_hub_is_one_line_with_a_remedy(monkeypatch, kind, message):
    def fail(*_):
        raise kind.__new__(kind)

    serve(monkeypatch, fail)
    with pytest.raises(UserError) as caught:
        fetch(f"{NAME}@v9")
    assert str(caught.value).startswith(f"`weights` {NAME}@v9")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_tries_to_connect_are_not_shown(monkeypatch, caplog):
    def fail(*_):
        logger = logging.getLogger("huggingface_hub")
        logger.setLevel(logging.WARNING)  # as the package does when it is imported
        logger.warning("Retrying in 1s")
        raise errors.LocalEntryNotFoundError("offline")

    serve(monkeypatch, fail)
    with pytest.raises(UserError, match="can't be reached"):
        fetch(NAME)
    assert not caplog.records
    logging.getLogger("jaxens").warning("shown again")
    assert caplog.messages == ["shown again"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"needs a package: pip install '\.\[hub\]'"):
        fetch(NAME)


@pytest.mark.slow
def test_weights_from_the_hub_have_its_revision_in_their_provenance(monkeypatch, tmp_path):
    """A VGG16 under timm's names, whose classifier has convolutions and is not read here."""
    tensors = state_dicts.timm_vgg16(7, hidden=8, batch_norm=True)
    file = tmp_path / COMMIT / "model.safetensors"
    file.parent.mkdir()
    safetensors.numpy.save_file(tensors, file)
    serve(monkeypatch, lambda *_: str(file))
    model = Model("vgg16-bn", weights=NAME)
    weights = read_weights(model)
    expected = from_state_dict("vgg16-bn", tensors, below_heads("vgg16-bn"))
    jax.tree.map(np.testing.assert_array_equal, weights.variables, expected)
    assert weights.origin(model) == {
        "from": NAME,
        "fingerprint": weights.fingerprint,
        "revision": COMMIT,
    }
