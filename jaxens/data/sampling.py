"""A sample of a split with the proportions of its labels."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Num


def stratified(
    labels: Mapping[str, Num[np.ndarray, "image ..."]], count: int, seed: int
) -> Int[np.ndarray, "sampled"]:
    """Returns the rows of a random sample in which every label is as frequent as in the whole.

    The images are sorted by the labels of the first task, then by those of the second, and so on.
    Images with equal labels are in random order. The sample takes every n-th image, and starts at
    a random one. For the first task, the number of images of each class is its share of the
    sample, rounded up or down. For later tasks, it is close to that. All images are equally
    likely to be taken.

    Args:
        labels: By task: a class, or a 0 or 1 per class.
        count: Images to take, at least 1; all if there are fewer.
        seed: The seed of the draws.

    Returns:
        Rows in ascending order.
    """
    keys = [each.reshape(len(each), -1) for each in labels.values()]
    columns = [column for key in keys for column in key.T]
    total = len(columns[0])
    if count >= total:
        return np.arange(total)
    generator = np.random.default_rng(seed)
    # `lexsort` sorts by its last key first.
    order = np.lexsort([generator.random(total), *reversed(columns)])
    places = (np.arange(count) + generator.random()) * total / count
    return np.sort(order[places.astype(int)])
