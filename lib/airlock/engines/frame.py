"""The task frame: everything a task needs, sealed for one run. Made by the inner door's driver, opened on executors.

The plan, the splits and the subkeys travel encrypted under a key that only the executor key file gives; nothing of them stands in
arguments, environment, configuration or pickled plans.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from airlock.engines.tables import pack, unpack
from airlock.evidence.standing import Standing
from airlock.keys import SubKeys
from airlock.keys.wrap import frame_key, read_executor_key, seal, unseal, unwrap, wrap
from airlock.plan.compile import Plan
from airlock.settings import Location
from airlock.storage.sources import Piece, Split

__all__ = ["FrameBinding", "TaskFrame", "open_frame", "seal_frame"]


@dataclass(frozen=True, slots=True)
class FrameBinding:
    """What a frame is bound to: opening it under any other run or plan fails. Public values.

    Attributes:
        executor_key: Path of the executor key file, the same on driver and executors.
        standing: The verdict of preflight without which no task opens its keys; None: there is no cluster.
    """

    run: str
    plan_digest: str
    recipient: str
    epoch: int
    executor_key: str
    standing: Standing | None = None

    @property
    def context(self) -> tuple[str, ...]:
        """What authenticates beside the bytes."""
        return (self.run, self.plan_digest, self.recipient, str(self.epoch))


@dataclass(frozen=True, slots=True)
class TaskFrame:
    """What one run's tasks share.

    Attributes:
        zones: Location of raw, private and staging.
        excluded: Subject ids whose rows are suppressed, as `exclusion.listed_ids` made them.
        codec: Compression of staged files.
        names: Of what each split leaves behind: its record, or in a first reading its summaries.
        first: Only read what dataset-wide passes look at; write nothing to staging.
        concluded: What those passes concluded, by the leaf that each writes. Raw data: it travels sealed.
    """

    plan: Plan
    run: str
    splits: tuple[Split, ...]
    names: tuple[str, ...]
    zones: Mapping[str, Location]
    excluded: tuple[str, ...]
    codec: str
    keys: SubKeys
    first: bool = False
    concluded: Mapping[str, pa.Table] = field(default_factory=dict)


def seal_frame(frame: TaskFrame, binding: FrameBinding) -> bytes:
    """Encrypt a frame for its executors."""
    executor_key = read_executor_key(Path(binding.executor_key))
    wrapped = wrap(
        frame.keys,
        executor_key=executor_key,
        run_id=binding.run,
        plan_digest=binding.plan_digest,
        recipient=binding.recipient,
        epoch=binding.epoch,
    )
    body = {
        "plan": frame.plan.to_dict(),
        "run": frame.run,
        "splits": [[asdict(piece) for piece in split.pieces] for split in frame.splits],
        "names": frame.names,
        "zones": {zone: asdict(location) for zone, location in frame.zones.items()},
        "excluded": frame.excluded,
        "codec": frame.codec,
        "first": frame.first,
        "concluded": base64.b64encode(pack(frame.concluded)).decode(),
        "keys": base64.b64encode(wrapped).decode(),
    }
    return seal(json.dumps(body).encode(), key=frame_key(executor_key, binding.run), context=binding.context)


@lru_cache(maxsize=2)
def open_frame(sealed: bytes, binding: FrameBinding) -> TaskFrame:
    """Decrypt a frame, once a process.

    Raises:
        IntegrityError: Another key, run or plan.
        KeyFileError: The executor key file is missing or not private.
    """
    executor_key = read_executor_key(Path(binding.executor_key))
    body = json.loads(unseal(sealed, key=frame_key(executor_key, binding.run), context=binding.context))
    keys = unwrap(
        base64.b64decode(body["keys"]),
        executor_key=executor_key,
        run_id=binding.run,
        plan_digest=binding.plan_digest,
        recipient=binding.recipient,
        epoch=binding.epoch,
    )
    splits = tuple(Split(tuple(_piece(piece) for piece in pieces)) for pieces in body["splits"])
    return TaskFrame(
        plan=Plan.from_dict(body["plan"]),
        run=body["run"],
        splits=splits,
        names=tuple(body["names"]),
        zones={zone: Location(**location) for zone, location in body["zones"].items()},
        excluded=tuple(body["excluded"]),
        codec=body["codec"],
        first=body["first"],
        concluded=unpack(base64.b64decode(body["concluded"])),
        keys=keys,
    )


def _piece(data: dict[str, Any]) -> Piece:
    ranges = {name: tuple(data[name]) if data[name] else None for name in ("row_groups", "byte_range")}
    partition = tuple((name, value) for name, value in data["partition"])
    return Piece(**(data | ranges | {"partition": partition}))
