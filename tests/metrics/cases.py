"""Maps and masks that the tests of the metrics share."""

import numpy as np

# name -> height, width: square, tall, wide, odd; multiples of 14 and not.
SIZES = {"square": (28, 28), "tall": (42, 14), "wide": (15, 40), "odd": (17, 31)}

BROKEN_VALUES = [np.nan, np.inf, -np.inf]


def random_map(size, *lead, seed=0, signed=False):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(*lead, *size)) if signed else rng.random((*lead, *size)) ** 3
    return values.astype(np.float32)


def random_mask(size, *lead, seed=1, density=0.4):
    return np.random.default_rng(seed).random((*lead, *size)) < density


def broken(map, value):
    map = map.copy()
    map[..., 2, 3] = value
    return map
