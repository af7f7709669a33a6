"""Chooses how many devices share the members of an ensemble, and how many its images."""

import math
import re
from typing import NamedTuple

from jaxens.errors import UserError

# A layout may give a device so much more work than the best one, if it spreads members further:
# members need no communication.
SLACK = 1.1


class MeshLayout(NamedTuple):
    """The number of devices along each axis of the mesh."""

    member: int
    data: int

    def __str__(self) -> str:
        return f"member={self.member},data={self.data}"


ONE_DEVICE = MeshLayout(1, 1)


def choose_layout(devices: int, members: int, batch_size: int, use_all: bool = False) -> MeshLayout:
    """Returns the layout in which a device computes the fewest images.

    Members that do not divide evenly are filled up: 11 members on 4 devices are 3 on each. Of
    layouts within a tenth of the best one, the one that spreads members the furthest is taken. Some
    devices stay idle if that layout does not need them all.

    Args:
        devices: The number of devices.
        members: The number of members, a baseline included.
        batch_size: Images per member and step; devices share them evenly.
        use_all: Whether all devices have to be used, as several processes need it.

    Raises:
        UserError: If `use_all` and no layout uses all devices. It names the next larger batch for
            which there is one.
    """
    layouts = [
        MeshLayout(member, data)
        for member in range(1, min(devices, members) + 1)
        for data in range(1, devices // member + 1)
        if batch_size % data == 0
    ]
    whole = [layout for layout in layouts if math.prod(layout) == devices]
    if use_all:
        if not whole:
            raise UserError(_larger_batch(devices, members, batch_size))
        layouts = whole

    def images_of_a_device(layout: MeshLayout) -> int:
        return -(-members // layout.member) * (batch_size // layout.data)

    least = min(map(images_of_a_device, layouts))
    return max(layout for layout in layouts if images_of_a_device(layout) <= SLACK * least)


def parse_layout(text: str) -> MeshLayout:
    """Returns the layout that `member=2,data=4` names.

    Raises:
        UserError: If it names another axis or no whole number.
    """
    found = re.fullmatch(r"member=([1-9]\d{0,5}),data=([1-9]\d{0,5})", text.replace(" ", ""))
    if found is None:
        raise UserError(
            f"`mesh` {text!r} is not a layout: write member=2,data=4, for example, for 8 devices"
        )
    return MeshLayout(*map(int, found.groups()))


def check_layout(layout: MeshLayout, devices: int, members: int, batch_size: int) -> None:
    """Checks that a layout fits the devices, the members and the batch.

    Raises:
        UserError: If it doesn't.
    """
    if math.prod(layout) > devices:
        raise UserError(
            f"`mesh` {layout} needs {math.prod(layout)} devices, and there are {devices}: "
            "choose fewer"
        )
    if batch_size % layout.data:
        raise UserError(
            f"`mesh` {layout}: {layout.data} devices can't share `batch_size` {batch_size} evenly: "
            "choose a multiple"
        )
    if layout.member > members:
        raise UserError(f"`mesh` {layout} has more places than the {members} members: choose fewer")


def _larger_batch(devices: int, members: int, batch_size: int) -> str:
    """Returns the error for a batch that does not fit all devices, with the next one that does."""
    sharing = [devices // n for n in range(1, members + 1) if devices % n == 0]
    larger = min(-(-batch_size // count) * count for count in sharing)
    return (
        f"`batch_size` {batch_size}: with {members} members, {devices} devices of several "
        f"processes can't all be used: choose {larger}"
    )
