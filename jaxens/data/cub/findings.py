"""What was found in the photos of a data set while it was prepared, as notices."""

from dataclasses import dataclass, field
from pathlib import Path

from jaxens.errors import UserError

MOST = 0.05  # of all photos may be unusable; three always may


@dataclass
class Findings:
    """Photos that something is wrong with, by their ids.

    Attributes:
        root: The folder of the data set.
        total: The number of its photos.
        unusable: What is wrong with each photo that is left out.
        unsegmented: What is wrong with each segmentation that is ignored.
        turned: Photos with an EXIF orientation.
        outside: Photos with a key point or the box outside of them.
    """

    root: Path
    total: int
    unusable: dict[str, str] = field(default_factory=dict)
    unsegmented: dict[str, str] = field(default_factory=dict)
    turned: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    _foreign: dict[str, str] = field(default_factory=dict)

    def add_unusable(self, id: str, reason: str) -> None:
        """Notes a photo to leave out.

        Raises:
            UserError: If there are too many.
        """
        self.unusable[id] = reason
        if len(self.unusable) > self._most:
            raise UserError(
                f"{self.root / 'images'}: more than {MOST:.0%} of the {self.total} photos can't "
                f"be used ({_reasons(self.unusable)}): unpack the archive again, or correct them"
            )

    def add_foreign_mask(self, name: str, reason: str) -> None:
        """Notes a segmentation that is damaged or in another format.

        Raises:
            UserError: If there are too many.
        """
        self.unsegmented[name] = self._foreign[name] = reason
        if len(self._foreign) > self._most:
            raise UserError(
                f"{self.root.name}: more than {MOST:.0%} of the {self.total} photos have a "
                f"segmentation that can't be used ({_reasons(self._foreign)})"
            )

    def notices(self) -> list[str]:
        """Returns one sentence for each kind of finding."""
        sentences = {
            "can't be used and are left out": _reasons(self.unusable),
            "have no usable segmentation, so their masks are empty": _reasons(self.unsegmented),
            "have an EXIF orientation: they are turned upright, and so are their key points, "
            "boxes and masks, which must be those of the stored pixels": _some(self.turned),
            "have a key point or a box outside of them, which is ignored": _some(self.outside),
        }
        counts = map(len, (self.unusable, self.unsegmented, self.turned, self.outside))
        return [
            f"CUB-200-2011: {count} of {self.total} photos {sentence}: {names}"
            for count, (sentence, names) in zip(counts, sentences.items(), strict=True)
            if count
        ]

    @property
    def _most(self) -> float:
        return max(3, MOST * self.total)


def _reasons(found: dict[str, str]) -> str:
    return _some([f"{name} {reason}" for name, reason in found.items()])


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
