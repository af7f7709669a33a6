"""The commands' tiny run, for pages that load a trained one."""

from tests.commands.conftest import flags, run

__all__ = ["flags", "run"]
