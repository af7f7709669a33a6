"""Prepares a folder of photos, or opens it again. Prints the seconds and the peak of memory."""

import json
import resource
import sys
import time
from pathlib import Path

from jaxens.data.opening import open_data
from jaxens.data.settings import Data

if __name__ == "__main__":
    folder, cache = sys.argv[1:]
    start = time.monotonic()
    data = open_data(Data("folder", data_dir=folder, cache_dir=cache))
    print(
        json.dumps(
            {
                "photos": sum(map(len, (data.train, data.val, data.test))),
                "seconds": time.monotonic() - start,
                "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                "shards": len(list(Path(cache).rglob("*.array_record-*"))),
            }
        )
    )
