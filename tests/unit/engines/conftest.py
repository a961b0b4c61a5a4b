"""A sealed frame of three splits, as the inner door makes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.conftest import Project

from airlock.doors._source import prepare
from airlock.doors.permits import key_permit
from airlock.engines.frame import FrameBinding, TaskFrame, seal_frame
from airlock.engines.records import split_names
from airlock.keys import create_executor_key_file
from airlock.keys.file import FileKeyRing
from airlock.types import Zone


@dataclass(frozen=True)
class Sealed:
    """What goes to workers, and what it was made of."""

    project: Project
    frame: TaskFrame
    binding: FrameBinding
    data: bytes


@pytest.fixture
def sealed(make_project, tmp_path):
    project = make_project(files=3)
    settings = project.settings()
    prepared = prepare(project.policy(), settings)
    plan = prepared.plan
    ring = FileKeyRing(Path(settings.require("keys.root")))
    keys = ring.subkeys(plan.requests, recipient="tests", epoch=1, permit=key_permit(settings))
    frame = TaskFrame(
        plan=plan,
        run="run",
        splits=prepared.splits,
        names=tuple(split_names(prepared.splits, {file.path: file.version for file in prepared.listing.files}, plan, keys, ())),
        zones={zone: settings.zone(zone) for zone in (Zone.RAW, Zone.PRIVATE, Zone.STAGING)},
        excluded=("100003",),
        codec="snappy",
        keys=keys,
    )
    binding = FrameBinding("run", plan.digest, "tests", 1, str(create_executor_key_file(tmp_path)))
    return Sealed(project, frame, binding, seal_frame(frame, binding))
