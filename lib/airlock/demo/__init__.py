"""Generated data for the demo, tests and measurements."""

from __future__ import annotations

from airlock.demo.generate import generate, generate_example
from airlock.demo.project import POLICIES, write_project

__all__ = ["POLICIES", "generate", "generate_example", "write_project"]
