"""ResNets have torchvision's parameters, and ResNet-18 starts as torchvision's does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.models import ResNet, build
from tests.models.material import shapes_of


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet18", 11_689_512), ("resnet34", 21_797_672), ("resnet50", 25_557_032)],
)
def test_they_have_torchvisions_number_of_parameters(name: str, count: int) -> None:
    shapes = shapes_of(build(name, [("imagenet", 1000)]))
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def test_initial_weights_are_drawn_as_torchvision_draws_them() -> None:
    model = ResNet((("species", 7),))

    @jax.jit  # of all that init draws, XLA keeps what is returned
    def init(key: jax.Array) -> tuple[dict, dict]:
        params = model.init(key, jnp.zeros((1, 32, 32, 3)))["params"]
        return params["trunk"]["layer4_1"], params["heads"]["species"]

    last, head_layer = init(jax.random.key(0))
    # kaiming_normal_ with fan_out = 3 * 3 * 512, and normal: 0.3 % lie beyond 3 deviations.
    kernel = np.asarray(last["conv2"]["kernel"]) / np.sqrt(2 / (9 * 512))
    assert kernel.std() == pytest.approx(1, rel=0.01)
    assert np.mean(np.abs(kernel) > 3) == pytest.approx(0.0027, rel=0.1)
    np.testing.assert_array_equal(last["bn2"]["scale"], 1)  # zero_init_residual=False
    # torch.nn.Linear: uniform within 1 / sqrt(512)
    head = np.abs(head_layer["kernel"]) * np.sqrt(512)
    assert 0.99 < head.max() <= 1
    assert head.mean() == pytest.approx(0.5, rel=0.05)
