"""Prepares a folder of photos, or opens it again. Prints the seconds and the peak of memory."""

import json
import re
import sys
import time
from pathlib import Path

from jaxens.data.opening import open_data
from jaxens.data.settings import Data


def _peak() -> int:
    """Returns the most memory in bytes. That of `getrusage` may be the parent's."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


if __name__ == "__main__":
    folder, cache = sys.argv[1:]
    start = time.monotonic()
    data = open_data(Data("folder", data_dir=folder, cache_dir=cache))
    print(
        json.dumps(
            {
                "photos": sum(map(len, (data.train, data.val, data.test))),
                "seconds": time.monotonic() - start,
                "bytes": _peak(),
                "shards": len(list(Path(cache).rglob("*.array_record-*"))),
            }
        )
    )
