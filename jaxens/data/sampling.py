"""Samples and splits in which every label is as frequent as in the whole."""

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


def seeded_splits(
    labels: Mapping[str, Num[np.ndarray, "image ..."]], shares: Mapping[str, float], seed: int
) -> dict[str, Int[np.ndarray, "_"]]:
    """Returns the rows of "train" and of other splits, with the proportions of the labels.

    Args:
        labels: As for `stratified`.
        shares: The fraction of all images in each of the other splits; each gets at least one.
        seed: The seed of the draws.
    """
    total = len(next(iter(labels.values())))
    left, result = np.arange(total), {}
    for name, share in shares.items():
        of_left = {task: values[left] for task, values in labels.items()}
        drawn = stratified(of_left, max(1, round(share * total)), seed)
        result[name] = left[drawn]
        left = np.delete(left, drawn)
    return {"train": left, **result}
