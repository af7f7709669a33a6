"""The files that a folder's data set is made of, but for its tables: photos, masks and boxes."""

from jaxens.data.folder.layout import Layout
from jaxens.data.folder.listing import FilePattern, Listing
from jaxens.errors import UserError


def used_files(layout: Layout, listing: Listing) -> list[str]:
    """Returns the photos, masks and boxes of a data set, sorted by path; not tables, not COCO."""
    patterns = [FilePattern(pattern) for part in layout.parts for pattern in part.paths]
    marks = [file for file in listing.files if any(each.fits(file) for each in patterns)]
    return sorted({*photos_of(layout, listing), *marks})


def photos_of(layout: Layout, listing: Listing) -> list[str]:
    """Returns the photos that labels and marks are for."""
    prefix = f"{layout.images}/" if layout.images else ""
    patterns = [path for part in layout.parts if part.kind == "masks" for path in part.paths]
    masks = [FilePattern(pattern) for pattern in patterns]
    photos = [
        file
        for file in listing.images()
        if file.startswith(prefix) and not any(mask.fits(file) for mask in masks)
    ]
    if not photos:
        where = listing.root / layout.images
        raise UserError(
            f"{layout.path}, images: {where} holds no photo"
            f"{' that is not a mask' if masks else ''}: name the folder of the photos"
        )
    return photos
