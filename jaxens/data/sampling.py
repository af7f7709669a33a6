"""A sample of a split with the proportions of its labels."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int, Num


def stratified(
    labels: Mapping[str, Num[np.ndarray, "image ..."]], count: int, seed: int
) -> Int[np.ndarray, "sampled"]:
    """Returns the rows of a random sample in which every label is as frequent as in the whole.

    The images are ordered by the labels of the first task, equal ones by those of the second, and
    so on, and at random where all are equal. The sample takes every n-th image of this order from
    a random one on. So of each class of the first task it has as many images as its share, rounded
    up or down; of the later tasks, about as many. Every image is equally likely to be taken.

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
