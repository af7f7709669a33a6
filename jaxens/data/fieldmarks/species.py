"""The traits of a FieldMarks bird: those of one of eighteen invented species, or independent ones.

The attributes of the species are balanced in pairs, so that no attribute predicts another: every
family has every wing pattern once and every bill length twice, every wing pattern has every bill
length once, and each mark is on half of the species of each family and of each bill length, with a
correlation of at most 0.11 to any other mark. Several attributes together do determine the
species, and so all other attributes, as for real birds: a network may infer the length of a
bill from family and wing. Independent traits rule that out.
"""

from dataclasses import dataclass

import numpy as np

FAMILIES = ("finch", "thrush", "jay")
BILL_LENGTHS = ("short", "medium", "long")
WING_PATTERNS = ("solid", "barred", "streaked", "spotted", "checkered", "tipped")
MARKS = ("eye_ring", "cheek_patch", "crest", "wing_bar", "breast_band")

# Parts, in the order of masks and key points.
PARTS = ("bird", "bill", "wing", *MARKS)


@dataclass(frozen=True)
class Traits:
    """What a bird looks like, except for its colors and its pose."""

    family: str
    bill_length: str
    wing_pattern: str
    marks: frozenset[str]


@dataclass(frozen=True)
class Species(Traits):
    """A species. Every species occurs in all colors."""

    name: str


def species_of(seed: int, index: int) -> Species:
    """Returns the species of image `index` of the series `seed`; all are equally probable."""
    return SPECIES[np.random.default_rng((seed, index, 0)).integers(len(SPECIES))]


def independent_traits(seed: int, index: int) -> Traits:
    """Returns independent traits for image `index` of the series `seed`.

    Each value of a trait is equally probable, and each mark is on half of the birds.
    """
    rng = np.random.default_rng((seed, index, 5))
    family, bill_length, wing_pattern = (
        values[rng.integers(len(values))] for values in (FAMILIES, BILL_LENGTHS, WING_PATTERNS)
    )
    present = rng.integers(2, size=len(MARKS))
    marks = frozenset(mark for mark, yes in zip(MARKS, present, strict=True) if yes)
    return Traits(family, bill_length, wing_pattern, marks)


def _species(name: str, bill_length: str, wing_pattern: str, *marks: str) -> Species:
    _, _, family = name.split()
    return Species(family, bill_length, wing_pattern, frozenset(marks), name)


# Western and eastern species of a name are similar.
SPECIES = (
    _species("western alder finch", "short", "solid", "cheek_patch", "crest", "wing_bar"),
    _species("eastern alder finch", "medium", "barred", "eye_ring", "cheek_patch", "crest"),
    _species("western birch finch", "long", "streaked", "wing_bar"),
    _species("eastern birch finch", "medium", "checkered", "wing_bar", "breast_band"),
    _species("western cedar finch", "short", "spotted", "eye_ring", "breast_band"),
    _species(
        "eastern cedar finch", "long", "tipped", "eye_ring", "cheek_patch", "crest", "breast_band"
    ),
    _species("western brook thrush", "medium", "solid", "eye_ring"),
    _species("eastern brook thrush", "short", "streaked", "eye_ring", "crest", "breast_band"),
    _species("western fen thrush", "long", "barred", "crest", "breast_band"),
    _species(
        "eastern fen thrush",
        "medium",
        "spotted",
        "cheek_patch",
        "crest",
        "wing_bar",
        "breast_band",
    ),
    _species("western heath thrush", "long", "checkered", "eye_ring", "cheek_patch", "wing_bar"),
    _species("eastern heath thrush", "short", "tipped", "cheek_patch", "wing_bar"),
    _species("western cliff jay", "long", "solid", "eye_ring", "crest", "wing_bar", "breast_band"),
    _species(
        "eastern cliff jay",
        "short",
        "barred",
        "eye_ring",
        "cheek_patch",
        "wing_bar",
        "breast_band",
    ),
    _species("western gorge jay", "medium", "streaked", "cheek_patch", "breast_band"),
    _species("eastern gorge jay", "long", "spotted", "cheek_patch"),
    _species("western steppe jay", "short", "checkered", "crest"),
    _species("eastern steppe jay", "medium", "tipped", "eye_ring", "crest", "wing_bar"),
)
