"""The image installs what was tested: its pins are those of constraints.txt."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins(file: Path) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.\[\]-]+)==([^ ;]+)", file.read_text(), re.MULTILINE))


def test_the_images_pins_are_the_tested_ones():
    tested, inner = pins(ROOT / "constraints.txt"), pins(ROOT / "k8s" / "image" / "inner.txt")
    assert {"pyspark", "pyarrow", "kubernetes", "presidio-analyzer"} <= inner.keys()
    assert {name: version for name, version in inner.items() if tested.get(name) != version} == {}


def test_every_pin_has_its_hashes():
    for name in ("inner.txt", "build.txt"):
        text = (ROOT / "k8s" / "image" / name).read_text()
        assert text.count("==") == len(re.findall(r"==[^ ]+ \\\n +--hash=sha256:[0-9a-f]{64}", text))
