"""What was found in the photos of a data set while it was prepared."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from jaxens.errors import UserError
from jaxens.tables import Table

MOST = 0.05  # of all photos may be unusable; three always may

Kind = Literal[
    "unusable",
    "unnamed",
    "stray",
    "absent",
    "value",
    "annotation",
    "mask",
    "empty",
    "turned",
    "upright",
    "dim",
    "outside",
    "leaves",
]

_LEFT_OUT: tuple[Kind, ...] = ("unusable", "unnamed", "stray")

# By kind: a sentence about the photos, and what becomes of such a photo in the list.
_SENTENCES: dict[Kind, tuple[str, str]] = {
    "unusable": ("can't be used and are left out", "left out"),
    "unnamed": ("are in no table or list and are left out", "left out"),
    "stray": ("are in no folder of a class and are left out", "left out"),
    "absent": ("are named or annotated, and are not there", "there is no such photo"),
    "value": (
        "have a value in a table that can't be used, so it is unknown",
        "the value is unknown",
    ),
    "annotation": (
        "have an annotation that can't be used, so it is ignored",
        "the annotation is ignored",
    ),
    "mask": ("have a mask that can't be used, so it is empty", "its mask is empty"),
    "empty": ("have no mask, or one that shows nothing", "its mask is empty"),
    "turned": (
        "have an EXIF orientation: they are turned upright, and so are their key points, boxes "
        "and masks, which must be those of the stored pixels",
        "turned upright",
    ),
    "upright": (
        "have an EXIF orientation: they are turned upright, and their key points, boxes and masks "
        "are taken as those of the upright photo",
        "turned upright, but not its key points, boxes and masks",
    ),
    "dim": (
        "have 16 bits and no value of 4096 or more, so they are nearly black: multiply their "
        "values (by 16 if they are those of 12 bits), or save them with 8 bits",
        "nearly black",
    ),
    "outside": (
        "have a key point or a box outside of them, which is ignored",
        "the key point or box is ignored",
    ),
    "leaves": ("have a box that leaves them, and is cut at their border", "the box is cut"),
}


# Kinds of which there may be only a few: what the error says of the photos.
_LIMITED: dict[Kind, str] = {
    "unusable": "can't be used",
    "value": "have a value in a table that can't be used",
    "annotation": "have an annotation that can't be used",
    "mask": "have a mask that can't be used",
}


class Problem(NamedTuple):
    """Something wrong with a photo or its mask.

    Attributes:
        photo: The id of the photo.
        kind: What becomes of it: photos that are `unusable`, `unnamed` by a table or a list, or
            `stray` (in no folder of a class) are left out. A `value` or an `annotation` that can't
            be used is unknown. A `mask` that can't be used, or that is `empty`, is empty. A photo
            that is named may be `absent`. The others are used.
        name: The file that the reason is about.
        reason: Follows the name: "is damaged".
    """

    photo: str
    kind: Kind
    name: str
    reason: str


class MaskSeen(NamedTuple):
    """A mask of a photo.

    Attributes:
        part: What it is a mask of.
        name: Its file.
        value: Its largest; 0 if it shows nothing.
        full: Whether it fills the photo.
    """

    part: str
    name: str
    value: int
    full: bool


@dataclass
class Findings:
    """The problems of a data set.

    Attributes:
        title: The name of the data set.
        total: The number of its photos.
        problems: In the order of the photos.
        masks: Those that can be used.
    """

    title: str
    total: int
    problems: list[Problem] = field(default_factory=list)
    masks: list[MaskSeen] = field(default_factory=list)

    def refusal(self) -> str:
        """Returns a sentence if too many photos can't be used as they should; empty otherwise."""
        for kind, sentence in _LIMITED.items():
            problems = [problem for problem in self.problems if problem.kind == kind]
            if len({problem.photo for problem in problems}) > max(3, MOST * self.total):
                return (
                    f"{self.title}: more than {MOST:.0%} of the {self.total} photos {sentence} "
                    f"({_some(problems)})"
                )
        return ""

    def notices(self) -> list[str]:
        """Returns one sentence for each kind of finding."""
        result = []
        for kind, (sentence, _) in _SENTENCES.items():
            problems = [problem for problem in self.problems if problem.kind == kind]
            if problems:
                count = len({problem.photo for problem in problems})
                of_all = "" if kind == "absent" else f" of {self.total}"
                what = f"{count}{of_all} photos {sentence}"
                result.append(f"{self.title}: {what}: {_some(problems)}")
        return result + [f"{self.title}: {each}" for each in self._of_masks()]

    def _of_masks(self) -> Iterator[str]:
        """Yields what all masks of a part have in common, or should have."""
        of_part: dict[str, list[MaskSeen]] = {}
        for mask in self.masks:
            of_part.setdefault(mask.part, []).append(mask)
        for part, masks in of_part.items():
            some = f"such as {masks[0].name}: check their values"
            if all(mask.value == 0 for mask in masks):
                yield f"none of {len(masks)} masks of {part} shows it, {some}"
            if all(mask.full for mask in masks):
                yield f"each of {len(masks)} masks of {part} fills its photo, {some}"
            files = {mask.value: mask.name for mask in reversed(masks) if mask.value}
            if len(files) > 1:
                values = ", ".join(f"{value} in {files[value]}" for value in sorted(files)[:3])
                yield (
                    f"the value of {part} differs between masks ({values}): if these are labels, "
                    "say which of them are the part"
                )

    def table(self) -> Table:
        """Returns all problems as rows."""
        rows = [(p.photo, f"{p.name} {p.reason}", _SENTENCES[p.kind][1]) for p in self.problems]
        return Table(("photo", "reason", "consequence"), rows)


class RefusedError(UserError):
    """Too many rows or entries can't be used, which is known before any photo is read.

    Attributes:
        findings: All that were found.
        refusal: The sentence about them.
        remedy: What to do.
    """

    def __init__(self, findings: Findings, remedy: str) -> None:
        self.findings, self.refusal, self.remedy = findings, findings.refusal(), remedy
        super().__init__(f"{self.refusal}: {remedy}")


def left_out(problems: Iterable[Problem]) -> list[str]:
    """Returns the ids of the photos that are left out."""
    return list(dict.fromkeys(p.photo for p in problems if p.kind in _LEFT_OUT))


def _some(problems: list[Problem]) -> str:
    plain = ("stray", "turned", "upright", "dim", "outside")  # the sentence says it all
    names = [p.name if p.kind in plain else f"{p.name} {p.reason}" for p in problems[:5]]
    return ", ".join(names) + (", ..." if len(problems) > 5 else "")
