"""Completes the splits of a data set that comes without a val or a test."""

from collections.abc import Mapping, Sequence

import numpy as np

from jaxens.data.collection import Item
from jaxens.data.sampling import seeded_splits
from jaxens.errors import UserError

SHARES = {"val": 0.1, "test": 0.2}  # of the photos to train on, where no photo is for these
SEED = 0


def complete_splits(
    official: Mapping[str, Sequence[Item]], title: str, source: object
) -> tuple[dict[str, list[Item]], list[str]]:
    """Returns train, val and test, and notices.

    A val or a test without photos is drawn from train at random, with the proportions of the
    labels.

    Args:
        official: The photos of the splits that there are.
        title: The name of the data set, for messages.
        source: The file or folder that says which photos are to train on, for messages.

    Raises:
        UserError: If there are too few photos to train on.
    """
    train = list(official.get("train", ()))
    splits = {name: list(official.get(name, ())) for name in SHARES}
    missing = {name: share for name, share in SHARES.items() if not splits[name]}
    if len(train) < 1 + len(missing):
        raise UserError(
            f"{source}: {len(train)} photos to train on are too few: complete the folder"
        )
    if not missing:
        return {"train": train, **splits}, []
    labels = {task: np.stack([item.labels[task] for item in train]) for task in train[0].labels}
    drawn = seeded_splits(labels or {"": np.zeros(len(train))}, missing, SEED)
    splits |= {name: [train[row] for row in drawn[name]] for name in missing}
    notices = [
        f"{title}: no photo is for {name}, so {len(splits[name])} of the {len(train)} photos to "
        f"train on are, drawn by seed {SEED}"
        for name in missing
    ]
    return {"train": [train[row] for row in drawn["train"]], **splits}, notices
