"""A small project on generated data, made once, copied for tests that write."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from airlock.doors.demo import create_demo
from airlock.settings import load_settings


@pytest.fixture(scope="session")
def _made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "project"
    create_demo(folder, rows=300)
    return folder


@pytest.fixture
def project(_made, tmp_path) -> Path:
    """A project of one's own."""
    shutil.copytree(_made, tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def settings(project):
    """Settings of that project, with flags on top."""

    def load(**flags):
        return load_settings(file=project / "airlock.yaml", flags=flags, environment={})

    return load


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with size and modification time."""
    return {str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


@pytest.fixture
def untouched(project):
    """Fails the test if anything in the project changed."""
    before = snapshot(project)
    yield
    assert snapshot(project) == before
