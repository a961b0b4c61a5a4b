"""The image installs what was tested: its pins are those of constraints.txt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def pins(file: Path) -> dict[str, str]:
    """Versions by name; which of its extras a file names says nothing of the version."""
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;]+)", file.read_text(), re.MULTILINE))


INNER_ALONE = {"pyspark", "presidio-analyzer", "spacy"}


@pytest.mark.parametrize(
    ("image", "has", "has_not"),
    [
        ("inner", {"pyspark", "pyarrow", "kubernetes", "presidio-analyzer"}, set()),
        ("outer", {"pyarrow", "kubernetes"}, INNER_ALONE),
    ],
)
def test_the_images_pins_are_the_tested_ones(image, has, has_not):
    tested, pinned = pins(ROOT / "constraints.txt"), pins(ROOT / "k8s" / "image" / f"{image}.txt")
    assert has <= pinned.keys()
    assert has_not.isdisjoint(pinned)
    assert {name: version for name, version in pinned.items() if tested.get(name) != version} == {}


def test_every_pin_has_its_hashes():
    for name in ("inner.txt", "outer.txt", "build.txt"):
        text = (ROOT / "k8s" / "image" / name).read_text()
        assert text.count("==") == len(re.findall(r"==[^ ]+ \\\n +--hash=sha256:[0-9a-f]{64}", text))
