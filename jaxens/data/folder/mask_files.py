"""Finds the masks of a folder: by their names, which are those of photos, then by their values."""

import itertools
import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jaxens.data.folder.listing import Listing, common_folder, stem
from jaxens.data.folder.mask_values import Look, look_at, parts_of

_SAMPLE = 20  # masks of a pattern that are opened
_WORDS = re.compile(r"mask|seg|trimap|label|annot|truth|(?<![a-z])gt(?![a-z])", re.IGNORECASE)
_LOSSY = ("jpg", "jpeg", "webp")  # masks have these endings only if a name says that they are masks


@dataclass(frozen=True)
class Images:
    """The images of a folder.

    Attributes:
        photos: Those that labels are for.
        folder: The folder of the photos.
        masks: The others, by the pattern of their names.
    """

    photos: Sequence[str]
    folder: str
    masks: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class _Group:
    """Images of one folder and ending, with the same text around the name of another image."""

    folder: str
    ending: str
    before: str
    after: str

    @property
    def is_marked(self) -> bool:
        """Returns whether the names say that these are no photos, but belong to some."""
        return bool(self.before or self.after or _WORDS.search(self.folder))


def find_images(listing: Listing) -> Images:
    """Tells photos from masks.

    Masks are named after photos, have few values but at soft edges, and the size of their photos.
    """
    groups: dict[_Group, list[str]] = {}
    stems = {stem(file) for file in listing.images()}
    for file in listing.images():
        folder, _, name = file.rpartition("/")
        before, after = next(_affixes(stem(file), stems), ("", ""))
        ending = name.rpartition(".")[2].lower()
        groups.setdefault(_Group(folder, ending, before, after), []).append(file)
    likely = {
        group: files for group, files in groups.items() if _look_like_masks(listing, group, files)
    }
    photos = [file for group, files in groups.items() if group not in likely for file in files]
    masks: list[str] = []
    for is_marked in (False, True):  # what no name calls a mask may be a photo that has masks
        below, known = _folders(photos), list(photos)
        for group, files in likely.items():
            if group.is_marked == is_marked:
                are_masks = _are_named(files, below)
                are_masks &= is_marked or _same_sizes(listing, files, known)
                (masks if are_masks else photos).extend(files)
    photos, below = sorted(photos), _folders(photos)
    named: dict[str, list[str]] = {}
    for mask in sorted(masks):
        if pattern := _pattern(mask, below):
            named.setdefault(pattern, []).append(mask)
    most = max(map(len, named.values()), default=0)
    often = {pattern: files for pattern, files in named.items() if len(files) >= 0.02 * most}
    return Images(photos, common_folder(photos), often)


def mask_parts(listing: Listing, images: Images) -> dict[str, dict[str, Any]]:
    """Returns the parts that masks show, as fields of a `dataset.toml`."""
    parts: dict[str, dict[str, Any]] = {}
    for pattern, files in images.masks.items():
        looks = _look(listing, files, _SAMPLE)
        if any(look.colored for look in looks):
            looks = _look(listing, files, _SAMPLE, colored=True)
        for name, fields in parts_of(_name(pattern), looks).items():
            if name in parts and {**parts[name], "masks": ""} == {"masks": "", **fields}:
                parts[name]["masks"] = [*_as_list(parts[name]["masks"]), pattern]
            else:
                free = name if name not in parts else f"{name} ({pattern.partition('/')[0]})"
                parts[free] = {"masks": pattern, **fields}
    return parts


def _name(pattern: str) -> str:
    """Returns the name of a part: the words that a pattern adds to a photo's name.

    A pattern that adds none is named after its folder.
    """
    before, _, after = pattern.rpartition("/")[2].partition("{")
    affix = before or after.partition("}")[2].rpartition(".")[0]
    affix = affix.strip("_-. ")
    if affix.lower() in ("", "jpg", "jpeg", "png"):  # as in v1.jpg.png
        return pattern.partition("{")[0].rpartition("/")[0].rpartition("/")[2] or "mask"
    return affix


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _look(listing: Listing, files: Sequence[str], count: int, colored: bool = False) -> list[Look]:
    """Looks at some files."""
    some = files[:: -(-len(files) // count)]
    looks = (look_at(listing.root / file, listing.root, colored) for file in some)
    return [look for look in looks if look is not None]


def _look_like_masks(listing: Listing, group: _Group, files: Sequence[str]) -> bool:
    if group.ending in _LOSSY and not group.is_marked:
        return False
    count = len(files[:: -(-len(files) // 3)])
    looks = _look(listing, files, 3)
    return len(looks) == count and all(look.is_mask() for look in looks)


def _same_sizes(listing: Listing, masks: Sequence[str], photos: Sequence[str]) -> bool:
    """Returns whether some masks have the size of a photo of the same name."""
    by_stem: dict[str, list[str]] = {}
    for photo in photos:
        by_stem.setdefault(stem(photo), []).append(photo)
    for mask in masks[:: -(-len(masks) // 3)]:
        others = [file for file in by_stem.get(stem(mask), ()) if file != mask]
        sizes = [listing.size(file) for file in (mask, *others)]
        if others and sizes[0] not in sizes[1:] and (sizes[0] or ())[::-1] not in sizes[1:]:
            return False
    return True


def _folders(photos: Sequence[str]) -> dict[str, set[str]]:
    """Returns by the name of a photo its folders, below the folder of photos."""
    start = f"{images}/" if (images := common_folder(photos)) else ""
    below: dict[str, set[str]] = {}
    for photo in photos:
        below.setdefault(stem(photo), set()).add(photo.removeprefix(start).rpartition("/")[0])
    return below


def _are_named(masks: Sequence[str], below: Mapping[str, set[str]]) -> bool:
    return sum(_pattern(mask, below) is not None for mask in masks) >= len(masks) / 2


def _affixes(name: str, stems: Container[str]) -> Iterator[tuple[str, str]]:
    """Yields each way in which a file's name is a photo's name with a prefix or a suffix.

    The shortest prefix or suffix comes first. It contains a letter: one with digits alone is the
    number of another photo of a series.

    Args:
        name: The name of the file, without its ending.
        stems: The names of all photos, without their endings.

    Yields:
        The prefix and the suffix. One of them is empty.
    """
    cuts = [match.start() for match in re.finditer(r"[_\-. ]", name)]
    rests = [("", name[cut:]) for cut in cuts] + [(name[: cut + 1], "") for cut in cuts]
    for before, after in sorted(rests, key=lambda rest: len("".join(rest))):
        photo = name[len(before) : len(name) - len(after)]
        if photo in stems and re.search(r"[^\W\d_]", before + after):
            yield before, after


def _pattern(mask: str, below: Mapping[str, set[str]]) -> str | None:
    """Returns the pattern of a mask's path, such as `masks/{stem}_head.png`.

    Args:
        mask: The path of the mask.
        below: As from `_folders`.

    Returns:
        The pattern; None if the mask is not named after a photo.
    """
    folder, _, name = mask.rpartition("/")
    whole, _, ending = name.rpartition(".")
    steps = folder.split("/")
    same_name = [("", "")] if whole in below else []
    for before, after in itertools.chain(same_name, _affixes(whole, below)):
        folders = below[whole[len(before) : len(whole) - len(after)]]
        rest = f"{after}.{ending}"
        for same in range(len(steps)):  # the mask's folders as the photo's
            if not before and "/".join(steps[same:]) in folders:
                return "/".join([*steps[:same], "{path}"]) + rest
        return "/".join(filter(None, [folder, f"{before}{{stem}}"])) + rest
    return None
