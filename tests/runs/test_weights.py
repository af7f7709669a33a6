"""Initial weights are read from torchvision's files or a run; one that does not fit is named."""

import jax
import numpy as np
import pytest
import safetensors.numpy

import jaxens
from jaxens.data.fieldmarks.builder import INFO
from jaxens.data.settings import Data
from jaxens.errors import UserError
from jaxens.models import MODELS, from_state_dict
from jaxens.models.resnet import ResNet
from jaxens.models.trunk import below_heads
from jaxens.runs.fit import _state_before
from jaxens.runs.unsaved import UnsavedRun
from jaxens.runs.weights import read_weights
from jaxens.training.settings import Config, Members, Model, Optim
from jaxens.training.trainer import Trainer
from tests.models import state_dicts

pytestmark = pytest.mark.slow

PTH = pytest.param(".pth", marks=pytest.mark.reference)  # read and written by PyTorch
SUFFIXES = [".npz", ".safetensors", PTH]


@pytest.fixture(scope="module", autouse=True)
def narrow():
    """A ResNet-18 of 4 channels in place of 64, so that its files are small."""
    patch = pytest.MonkeyPatch()
    patch.setitem(MODELS, "resnet18", lambda **fields: ResNet(width=4, **fields))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def tensors():
    """The tensors of a ResNet-18 under torchvision's names, with the last layer."""
    return {
        name: tensor
        for name, tensor in state_dicts.resnet18(7, width=4).items()
        if not name.endswith("num_batches_tracked")
    }


def written(folder, tensors, suffix=".safetensors"):
    path = folder / f"resnet18{suffix}"
    if suffix == ".pth":
        import torch

        torch.save({name: torch.from_numpy(tensor) for name, tensor in tensors.items()}, path)
    elif suffix == ".npz":
        np.savez(path, **tensors)
    else:
        safetensors.numpy.save_file(tensors, path)
    return path


def refused(path, name="resnet18"):
    with pytest.raises(UserError) as caught:
        read_weights(Model(name=name, weights=str(path)))
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_torchvisions_tensors_gives_all_variables_below_the_heads(
    tmp_path, tensors, suffix
):
    path = written(tmp_path, tensors, suffix)
    variables = read_weights(Model("resnet18", weights=str(path))).variables
    expected = from_state_dict("resnet18", tensors, below_heads("resnet18"))
    assert "heads" not in variables["params"]
    jax.tree.map(np.testing.assert_array_equal, variables, expected)
    np.testing.assert_array_equal(
        variables["params"]["trunk"]["conv1"]["kernel"],
        tensors["conv1.weight"].transpose(2, 3, 1, 0),
    )


def test_the_fingerprint_is_that_of_the_numbers_below_the_heads(tmp_path, tensors):
    def fingerprint(changed, suffix=".npz"):
        path = written(tmp_path, tensors | changed, suffix)
        return read_weights(Model("resnet18", weights=str(path))).fingerprint

    same = fingerprint({})
    assert len(same) == 16
    assert fingerprint({}, ".safetensors") == same
    assert fingerprint({"fc.bias": tensors["fc.bias"] + 1}) == same
    assert fingerprint({"bn1.bias": tensors["bn1.bias"] + 1}) != same


def test_a_run_gives_the_trunk_of_its_first_member(run):
    variables = read_weights(Model("small", weights=str(run.folder))).variables
    first = jaxens.load(run.folder).member(0)
    for name in ("params", "batch_stats"):
        jax.tree.map(np.testing.assert_array_equal, variables[name]["trunk"], first[name]["trunk"])
        assert set(variables[name]) == {"trunk"}


def test_a_member_that_diverges_in_the_first_epoch_gets_the_weights_back(tmp_path, tensors):
    """The run may have been stopped in this epoch. Then the weights are read from their file."""
    path = written(tmp_path, tensors)
    data, optim = Data(train_images=8, image_size=32), Optim(epochs=1, batch_size=4)
    config = Config(data, Model("resnet18", weights=str(path)), Members(2), optim)
    trainer = Trainer(config, range(8), INFO.tasks)
    state = _state_before(UnsavedRun(config, INFO), trainer, None)
    for kernel in state.variables["params"]["trunk"]["conv1"]["kernel"]:
        np.testing.assert_array_equal(kernel, tensors["conv1.weight"].transpose(2, 3, 1, 0))


def test_a_config_without_weights_has_none():
    assert read_weights(Model()) is None


def test_weights_that_do_not_fit_the_model_are_named(tmp_path, tensors, run):
    path = written(tmp_path, tensors)
    assert "these are not weights of vgg16: it has no tensor" in refused(path, "vgg16")
    assert "efficientnet-lite0, not 'small'" in refused(path, "small")
    wide = tensors | {"conv1.weight": np.zeros((8, 3, 7, 7), np.float32)}
    message = refused(written(tmp_path, wide))
    assert "'conv1.weight' has shape (8, 3, 7, 7), the model's (4, 3, 7, 7)" in message
    del (cut := dict(tensors))["layer2.0.bn1.weight"]
    assert "lacks the tensor 'layer2.0.bn1.weight'" in refused(written(tmp_path, cut))
    assert "is a run of small, not of resnet18: add `model` small" in refused(run.folder)


def test_a_file_that_can_not_be_read_is_named(tmp_path, tensors):
    assert "there is no such file" in refused(tmp_path / "absent.npz")
    assert "is not a run directory" in refused(tmp_path)
    for suffix in (".npz", ".safetensors"):
        path = written(tmp_path, tensors, suffix)
        path.write_bytes(path.read_bytes()[:1000])
        assert "can't be read" in refused(path)
    broken = tensors | {"bn1.bias": np.full(4, np.nan, np.float32)}
    assert "NaN or infinity" in refused(written(tmp_path, broken))
    words = tensors | {"bn1.bias": np.array(["a", "b", "c", "d"])}
    assert "'bn1.bias' holds <U1, not floats" in refused(written(tmp_path, words, ".npz"))


def test_imagenets_weights_are_those_of_the_package_and_of_one_model():
    weights = read_weights(Model("efficientnet-lite0", weights="imagenet"))
    stem = weights.variables["params"]["trunk"]["conv_stem"]["kernel"]
    assert stem.shape == (3, 3, 3, 32)
    with pytest.raises(UserError, match="`weights` imagenet has no small: add `model`"):
        read_weights(Model("small", weights="imagenet"))
