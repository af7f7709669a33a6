"""The data sets that jaxens knows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DataSource:
    """One row of the registry.

    Attributes:
        title: One line about the data set.
        module: Has a function `prepare(folder, cache_dir, progress)`, which writes the records
            into the cache unless they exist, and returns a TFDS builder with the splits train,
            val and test. It is imported when the data set is opened.
        needs_folder: Whether the user must give the folder of the data set. Without one, the
            function is `prepare_from(settings, progress)`.
        has_layout: Whether a file describes the folder. `prepare` takes its path as `layout`, which
            is None for the file in the folder.
    """

    title: str
    module: str
    needs_folder: bool = True
    has_layout: bool = False


SOURCES: dict[str, DataSource] = {
    "fieldmarks": DataSource(
        "invented birds, drawn on demand (no download)",
        "jaxens.data.fieldmarks.builder",
        needs_folder=False,
    ),
    "cub": DataSource(
        "CUB-200-2011, 11,788 photos of 200 bird species",
        "jaxens.data.cub.builder",
    ),
    "isic2018": DataSource(
        "ISIC 2018 Tasks 1 and 2, 2,594 photos of skin lesions with five attributes",
        "jaxens.data.isic",
    ),
    "partimagenet": DataSource(
        "PartImageNet, the photos of birds with their parts",
        "jaxens.data.partimagenet",
    ),
    "pets": DataSource(
        "Oxford-IIIT Pet, 7,349 photos of 37 breeds of cats and dogs",
        "jaxens.data.pets",
    ),
    "folder": DataSource(
        "your own photos, in a folder that its dataset.toml describes",
        "jaxens.data.folder.builder",
        has_layout=True,
    ),
}
