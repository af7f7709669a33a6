"""The words of an explanation: what is explained, and whether the prediction is right."""

from collections.abc import Sequence
from pathlib import PurePath

from jaxens.attribution import METHODS
from jaxens.evaluation.predictions import Subject
from jaxens.evaluation.settings import MethodSettings
from jaxens.names import file_name, shorten

LETTERS = 30  # of a line above an image
IN_TITLE = 40  # of a name in a title


def title(method: str, subject: Subject, settings: MethodSettings) -> str:
    """Returns the method with its number of samples or steps, the task, and the class."""
    counts = [
        f"{n} {unit}" for unit, n in settings.of(method).items() if unit in ("steps", "samples")
    ]
    name = METHODS[method].title + (f" ({counts[0]})" if counts else "")
    classes = subject.task.classes
    targets = set(subject.targets.tolist())
    target = shorten(classes[min(targets)], IN_TITLE)
    if len(targets) > 1:
        target = "the predicted class of each image"
    against = ""
    if subject.against is not None:
        against = f" rather than {shorten(classes[subject.against], IN_TITLE)}"
    return f"{name} of {shorten(subject.task.name.replace('_', ' '), IN_TITLE)}: {target}{against}"


def captions(subject: Subject) -> list[str]:
    """Returns a few short lines per image.

    They are its name, the explained class, what is predicted or how many members agree, and, where
    it is known, the label and whether the prediction is right.
    """
    lines = []
    for row in subject.table.to_dicts():
        words = [PurePath(row["image"]).name, f"{row['target']}, {row['target_probability']:.2f}"]
        if row["against"] is not None:
            words.append(f"rather than {row['against']}")
        if row["prediction"] != row["target"]:
            words.append(f"predicted: {row['prediction']}, {row['probability']:.2f}")
        elif len(subject.predictions.members) > 1:
            words.append(f"{row['agreeing']} of {row['members']} members agree")
        if row["label"] is not None:
            verdict = {True: "right, ", False: "wrong, ", None: ""}[row["right"]]
            words.append(f"{verdict}label: {row['label']}")
        lines.append("\n".join(shorten(word, LETTERS) for word in words))
    return lines


def folder_name(
    subject: Subject, split: str | None, target: str | None, against: str | None
) -> str:
    """Names the images, and what is explained of them.

    Args:
        subject: The images and the task.
        split: What was taken of a data set, or None for photos.
        target: The chosen class, if there is one.
        against: The class that the target is explained against, if there is one.
    """
    images = split or name_of_photos(subject.photos.names)
    words = ["explained", images, subject.task.name, target, against and f"not-{against}"]
    return file_name("-".join(filter(None, words)))


def name_of_photos(names: Sequence[str]) -> str:
    """Returns the name of the first photo, and how many there are more."""
    return PurePath(names[0]).stem + (f"-and-{len(names) - 1}-more" if names[1:] else "")
