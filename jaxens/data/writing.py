"""Writes the records of a split, one by one, as they come."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from array_record.python.array_record_module import ArrayRecordWriter


def write_split(
    info: tfds.core.DatasetInfo,
    folder: Path,
    split: str,
    records: Iterable[tuple[int, Any]],
) -> tfds.core.SplitInfo:
    """Writes a split as one ArrayRecord file, in the order of its records.

    TFDS's own writer keeps a whole split in memory, and needs TensorFlow if it has more than a
    gigabyte.

    Args:
        info: Describes the records.
        folder: Where the file is written.
        split: Its name.
        records: Each with its number, as from a builder's `_generate_examples`.

    Returns:
        The number and size of the records, and the names of the file.
    """
    names = tfds.core.ShardedFileTemplate(
        data_dir=folder, dataset_name=info.name, split=split, filetype_suffix="array_record"
    )
    path = names.sharded_filepath(shard_index=0, num_shards=1)
    writer = ArrayRecordWriter(str(path), "group_size:1")  # each record is read by itself
    count = size = 0
    try:
        for _, record in records:
            content = info.features.serialize_example(record)
            writer.write(content)
            count, size = count + 1, size + len(content)
    finally:
        writer.close()
    return tfds.core.SplitInfo(
        name=split, shard_lengths=[count], num_bytes=size, filename_template=names
    )
