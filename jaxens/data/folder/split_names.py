"""What people call the splits, in tables and in the names of files and folders."""

import re

NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}

TRAINVAL = "trainval"  # the name of a list of the photos to train on and to validate on


def split_of_path(path: str) -> str:
    """Returns the split that a path names; empty if it names none, or several.

    The name of the file counts first, then that of its folder, and so on: `labels_train.csv` and
    `train/labels.csv` name train.

    Args:
        path: Below the folder of the data set.
    """
    for part in reversed(path.split("/")):
        words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", part).lower())
        splits = {NAMES[word] for word in words if word in NAMES}
        if splits:
            return splits.pop() if len(splits) == 1 else ""
    return ""


def split_of_list(path: str) -> str:
    """Returns the split that the name of a list says, as `split_of_path`; trainval is train."""
    name = path.rpartition("/")[2].lower()
    return "train" if name.partition(".")[0] == TRAINVAL else split_of_path(path)
