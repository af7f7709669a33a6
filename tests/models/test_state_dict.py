"""Every tensor of torchvision's state dicts has its place; one that does not fit is named."""

import jax
import numpy as np
import pytest

from jaxens.models import VGG, ResNet, SmallResNet, from_state_dict
from tests.models import state_dicts
from tests.models.material import shapes_of, variables_of

pytestmark = pytest.mark.slow

ONE = (("species", 7),)


@pytest.fixture(scope="module")
def resnet() -> dict[str, np.ndarray]:
    return state_dicts.resnet18(7, width=8)


@pytest.fixture(scope="module")
def vgg() -> dict[str, np.ndarray]:
    return state_dicts.vgg16(7, hidden=8)


@pytest.fixture(scope="module")
def variables() -> dict:
    return variables_of(ResNet(ONE, width=8))


def assert_trees_equal(one: dict, other: dict) -> None:
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_files_with_and_without_num_batches_tracked_give_the_same(
    resnet: dict, variables: dict
) -> None:
    old = {k: v for k, v in resnet.items() if not k.endswith("num_batches_tracked")}
    assert (len(resnet), len(old)) == (122, 102)
    assert_trees_equal(
        from_state_dict("resnet18", resnet, variables),
        from_state_dict("resnet18", old, variables),
    )


def test_every_leaf_of_a_model_with_the_same_classes_is_replaced(
    resnet: dict, variables: dict
) -> None:
    loaded = from_state_dict("resnet18", resnet, variables)
    assert jax.tree.structure(loaded) == jax.tree.structure(variables)
    unchanged = jax.tree.map(np.array_equal, loaded, variables)
    assert not any(jax.tree.leaves(unchanged))
    np.testing.assert_array_equal(
        loaded["params"]["heads"]["species"]["kernel"], resnet["fc.weight"].T
    )
    np.testing.assert_array_equal(
        loaded["params"]["trunk"]["layer2_0"]["downsample_0"]["kernel"][0, 0],
        resnet["layer2.0.downsample.0.weight"][:, :, 0, 0].T,
    )
    np.testing.assert_array_equal(
        loaded["batch_stats"]["trunk"]["bn1"]["var"], resnet["bn1.running_var"]
    )


@pytest.mark.parametrize("tasks", [(("species", 6),), (("species", 7), ("bill", 7))])
def test_heads_that_differ_keep_their_values(resnet: dict, tasks: tuple) -> None:
    before = variables_of(ResNet(tasks, width=8))
    loaded = from_state_dict("resnet18", resnet, before)
    assert_trees_equal(loaded["params"]["heads"], before["params"]["heads"])
    np.testing.assert_array_equal(
        loaded["params"]["trunk"]["conv1"]["kernel"],
        resnet["conv1.weight"].transpose(2, 3, 1, 0),
    )


def test_a_trunk_alone_is_enough(resnet: dict, variables: dict) -> None:
    trunk = {k: v for k, v in resnet.items() if not k.startswith("fc.")}
    loaded = from_state_dict("resnet18", trunk, variables)
    assert_trees_equal(loaded["params"]["heads"], variables["params"]["heads"])


def test_vgg16s_light_head_keeps_its_values_and_the_trunk_is_replaced(vgg: dict) -> None:
    before = variables_of(VGG(ONE))
    loaded = from_state_dict("vgg16", vgg, before)
    assert_trees_equal(loaded["params"]["heads"], before["params"]["heads"])
    np.testing.assert_array_equal(
        loaded["params"]["trunk"]["conv5_3"]["kernel"],
        vgg["features.28.weight"].transpose(2, 3, 1, 0),
    )


@pytest.mark.parametrize("batch_norm", [False, True])
def test_timms_names_give_the_same_as_torchvisions(batch_norm: bool) -> None:
    name = "vgg16-bn-full" if batch_norm else "vgg16-full"
    shapes = shapes_of(VGG(ONE, batch_norm=batch_norm, full_classifier=True, hidden=8))
    assert_trees_equal(
        from_state_dict(name, state_dicts.timm_vgg16(7, 8, batch_norm=batch_norm), shapes),
        from_state_dict(name, state_dicts.vgg16(7, 8, batch_norm=batch_norm), shapes),
    )


def test_the_bias_before_a_normalization_goes_into_its_mean() -> None:
    tensors = state_dicts.vgg16(7, 8, batch_norm=True)
    loaded = from_state_dict("vgg16-bn", tensors, shapes_of(VGG((("other", 2),), batch_norm=True)))
    assert set(loaded["params"]["trunk"]["conv1_1"]) == {"kernel"}
    np.testing.assert_array_equal(
        loaded["batch_stats"]["trunk"]["bn2_1"]["mean"],
        tensors["features.8.running_mean"] - tensors["features.7.bias"],
    )


def test_vgg16s_hidden_layers_are_replaced_where_the_last_one_differs(vgg: dict) -> None:
    model = VGG((("species", 6),), full_classifier=True, hidden=8)
    before = variables_of(model)
    loaded = from_state_dict("vgg16-full", vgg, before)
    np.testing.assert_array_equal(
        loaded["params"]["neck"]["fc7"]["kernel"], vgg["classifier.3.weight"].T
    )
    assert_trees_equal(loaded["params"]["heads"], before["params"]["heads"])


def test_a_missing_tensor_is_named(resnet: dict, variables: dict) -> None:
    del (cut := dict(resnet))["layer3.1.bn2.running_mean"]
    with pytest.raises(ValueError, match=r"lacks the tensor 'layer3\.1\.bn2\.running_mean'"):
        from_state_dict("resnet18", cut, variables)


def test_a_tensor_of_another_shape_is_named(resnet: dict, variables: dict) -> None:
    wrong = resnet | {"layer1.0.conv1.weight": np.zeros((8, 8, 1, 1))}
    message = r"'layer1\.0\.conv1\.weight' has shape \(8, 8, 1, 1\), the model's \(8, 8, 3, 3\)"
    with pytest.raises(ValueError, match=message):
        from_state_dict("resnet18", wrong, variables)


def test_a_tensor_of_another_architecture_is_named(resnet: dict, variables: dict) -> None:
    deeper = resnet | {"layer1.2.conv1.weight": np.zeros((8, 8, 3, 3))}
    with pytest.raises(ValueError, match=r"no tensor 'layer1\.2\.conv1\.weight'"):
        from_state_dict("resnet18", deeper, variables)


def test_a_model_without_state_dicts_raises() -> None:
    variables = variables_of(SmallResNet(ONE))
    with pytest.raises(
        ValueError, match=r"fit resnet18, resnet34, .*, efficientnet-lite0, not 'small'"
    ):
        from_state_dict("small", {}, variables)
