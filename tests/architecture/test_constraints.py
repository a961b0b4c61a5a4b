"""constraints.txt can be installed with `--require-hashes`: every pin has hashes, and the extras that something asks for."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TOP = Path(__file__).parents[2]
PINS = re.findall(
    r"^(\S+==\S+).*\\\n((?:    --hash=sha256:[0-9a-f]{64}.*\n)+)", (TOP / "constraints.txt").read_text(), re.MULTILINE
)


def pinned():
    return {canonicalize_name(pin.name): pin for pin in (Requirement(text.rstrip("\\").strip()) for text, _ in PINS)}


def test_every_line_is_a_pin_with_hashes_and_names_no_index():
    text = (TOP / "constraints.txt").read_text()
    assert len(PINS) == sum("==" in line for line in text.splitlines()) > 50
    assert "://" not in text


def test_pins_name_the_extras_that_are_asked_for():
    """Without them pip looks for a version of its own for `name[extra]`, and refuses it for want of a hash once a newer one is out."""
    pins, missing = pinned(), set()
    for dist in distributions():
        for text in dist.requires or []:
            asked = Requirement(text)
            name = canonicalize_name(asked.name)
            if asked.extras and name in pins and (asked.marker is None or asked.marker.evaluate({"extra": ""})):
                missing |= {f"{name}[{extra}]" for extra in asked.extras - pins[name].extras}
    assert missing == set()
