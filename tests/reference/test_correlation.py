"""Area averages equal PyTorch's average pooling."""

import numpy as np
import torch

from jaxens import metrics


def test_area_averages_of_whole_blocks_equal_pytorch() -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 56, 42)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps), 14)
    np.testing.assert_allclose(metrics.area_average(maps, 14), expected, atol=1e-6)
