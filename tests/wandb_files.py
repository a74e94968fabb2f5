"""Reading back what a run on Weights & Biases, offline, has in its own file."""

import json
from typing import NamedTuple

from wandb.proto.wandb_internal_pb2 import Record

_BLOCK = 32_768
_HEADER = 7


def offline_records(path):
    """Records of an offline run: LevelDB's log format after a file header of seven bytes."""
    data = path.read_bytes()
    assert data[:4] == b":W&B"
    position, parts = _HEADER, []
    while position + _HEADER <= len(data):
        if _BLOCK - position % _BLOCK < _HEADER:  # a block's end too short for a header is padding
            position += _BLOCK - position % _BLOCK
            continue
        length = int.from_bytes(data[position + 4 : position + 6], "little")
        kind = data[position + 6]  # 1 whole, 2 first, 3 middle, 4 last
        parts.append(data[position + _HEADER : position + _HEADER + length])
        position += _HEADER + length
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(b"".join(parts))
            parts = []
            yield record


class Sent(NamedTuple):
    """What an offline run holds."""

    run: object
    history: list
    summary: dict
    config: dict
    metrics: dict
    artifacts: list


def read_back(folder):
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    sent = Sent(None, [], {}, {}, {}, [])
    for record in offline_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            sent = sent._replace(run=record.run)
        elif kind == "history":
            items = record.history.item
            sent.history.append({i.key or ".".join(i.nested_key): json.loads(i.value_json) for i in items})
        elif kind == "summary":
            for item in record.summary.update:
                sent.summary[item.key or ".".join(item.nested_key)] = json.loads(item.value_json)
        elif kind == "metric":
            sent.metrics[record.metric.name or record.metric.glob_name] = record.metric
        elif kind == "artifact":
            sent.artifacts.append(record.artifact)
        source = record.config if kind == "config" else record.run.config if kind == "run" else None
        if source:
            sent.config.update({item.key: json.loads(item.value_json) for item in source.update})
    return sent
