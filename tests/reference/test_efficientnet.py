"""EfficientNet-Lite0 with ImageNet's weights equals PyTorch, and knows what it sees."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from skimage.draw import polygon2mask
from skimage.transform import resize

from jaxens import attribution, metrics
from jaxens.models import Classifier, build, from_state_dict, normalized
from jaxens.models.tensors import read_tensors
from jaxens.runs.weights import imagenet_file
from tests.models.material import shapes_of

pytestmark = pytest.mark.slow

# Blocks, and the stride of the first one, of each stage in Table 1 of Tan and Le (2019).
STAGES = ((1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1))


@pytest.fixture(scope="module")
def tensors() -> dict[str, np.ndarray]:
    return dict(read_tensors(imagenet_file("efficientnet-lite0")))


@pytest.fixture(scope="module")
def photos() -> np.ndarray:
    """A cat, a cup of coffee and a rocket: the square in the middle, 224 px."""

    def square(photo: np.ndarray) -> np.ndarray:
        side = min(photo.shape[:2])
        top, left = ((size - side) // 2 for size in photo.shape[:2])
        return resize(photo[top : top + side, left : left + side], (224, 224), anti_aliasing=True)

    photos = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket())
    return np.stack([square(photo) for photo in photos]).astype(np.float32)


def theirs(tensors: dict[str, np.ndarray], photos: np.ndarray) -> np.ndarray:
    weights = {name: torch.tensor(np.ascontiguousarray(t)) for name, t in tensors.items()}

    def conv(x: torch.Tensor, name: str, stride: int = 1, groups: int = 1) -> torch.Tensor:
        kernel = weights[f"{name}.weight"]
        # TensorFlow's SAME: the odd pixel goes to the right and to the bottom.
        pads = [
            max((-(-size // stride) - 1) * stride + kernel.shape[-1] - size, 0)
            for size in x.shape[:1:-1]
        ]
        x = F.pad(x, [side for pad in pads for side in (pad // 2, pad - pad // 2)])
        return F.conv2d(x, kernel, None, stride, 0, 1, groups)

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(weights[f"{name}.{part}"] for part in parts), eps=1e-3)

    def block(x: torch.Tensor, name: str, stride: int) -> torch.Tensor:
        y = x
        if f"{name}._expand_conv.weight" in weights:
            y = F.relu6(norm(conv(y, f"{name}._expand_conv"), f"{name}._bn0"))
        y = conv(y, f"{name}._depthwise_conv", stride, y.shape[1])
        y = conv(F.relu6(norm(y, f"{name}._bn1")), f"{name}._project_conv")
        y = norm(y, f"{name}._bn2")
        return x + y if x.shape == y.shape else y

    x = torch.tensor(photos.transpose(0, 3, 1, 2)).contiguous()
    x = F.relu6(norm(conv((x * 255 - 127) / 128, "_conv_stem", 2), "_bn0"))
    strides = [stride if not b else 1 for blocks, stride in STAGES for b in range(blocks)]
    for number, stride in enumerate(strides):
        x = block(x, f"_blocks.{number}", stride)
    x = F.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean((2, 3))
    return F.linear(x, weights["_fc.weight"], weights["_fc.bias"]).numpy()


@pytest.fixture(scope="module")
def trained(tensors: dict[str, np.ndarray]) -> tuple[Classifier, dict]:
    model = build("efficientnet-lite0", [("imagenet", 1000)])
    return model, from_state_dict("efficientnet-lite0", tensors, shapes_of(model))


def test_logits_equal_pytorchs_and_name_what_is_seen(
    trained: tuple[Classifier, dict], tensors: dict[str, np.ndarray], photos: np.ndarray
) -> None:
    model, variables = trained
    logits = np.asarray(
        jax.jit(model.apply)(variables, normalized(jnp.asarray(photos)))["imagenet"]
    )
    np.testing.assert_allclose(logits, theirs(tensors, photos), atol=1e-3)
    seen = [set(top) for top in np.argsort(-logits)[:, :2].tolist()]
    assert seen[0] <= {281, 282, 285}  # tabby, tiger cat, Egyptian cat
    assert seen[1] == {967, 968}  # espresso, cup
    assert 657 in seen[2]  # missile


# The outline of the cat, drawn by hand: x and y of its corners in a photo of 336 x 224 pixels.
OUTLINE = (
    *((36, 0), (296, 0), (284, 30), (262, 60), (272, 90), (258, 130), (244, 170), (225, 205)),
    *((180, 224), (0, 224), (0, 110), (22, 85), (30, 50)),
)


def test_grad_cam_and_guided_grad_cam_of_a_cat_lie_on_the_cat(
    trained: tuple[Classifier, dict],
) -> None:
    model, variables = trained
    photo = resize(skimage.data.chelsea(), (224, 336), anti_aliasing=True).astype(np.float32)

    def logits(images: jax.Array, act: Callable = jax.nn.relu) -> jax.Array:
        return model.clone(act=act).apply(variables, images)["imagenet"]

    network = attribution.Network(
        logits,
        lambda images: model.apply(variables, images, method="features"),
        lambda features: model.apply(variables, features, method="head")["imagenet"],
        lambda images: logits(images, attribution.guided_relu),
    )
    methods: dict[str, dict] = {"grad_cam": {}, "guided_grad_cam": {}}
    explain = jax.jit(lambda images: attribution.explain(methods, network, images, 285))
    maps = explain(normalized(jnp.asarray(photo)[None]))
    cat = polygon2mask((224, 336), [(y, x) for x, y in OUTLINE])
    background = 1 - cat.mean()
    assert 0.2 < background < 0.4
    for name in methods:
        outside = 1 - float(metrics.relevance_mass(maps[name], cat[None])[0])
        # A map that knows nothing has the share of the area there.
        assert outside < 2 / 3 * background, name
        assert cat.flat[int(np.argmax(maps[name]))], name
