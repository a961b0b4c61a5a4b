"""What the inner door says in a staged manifest goes on to readers: each word must be one that the outer door knows, or a digest,
a version or a count. Called by `_publish`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import entry_points

from airlock.errors import IntegrityError
from airlock.evidence.manifest import VOLATILE, PublicManifest
from airlock.policy.model import Policy

__all__ = ["require_known_words"]

_CODE = frozenset(
    {
        "airlock",
        "cryptography",
        "faker",
        "numpy",
        "phonenumbers",
        "presidio-analyzer",
        "publicsuffixlist",
        "pyarrow",
        "python",
        "regex",
        "spacy",
        "tldextract",
    }
)
_PURPOSES = ("permute",)
"""What keys of no domain are named by."""

_VERSION = re.compile(r"[0-9][0-9a-z.+]{0,31}")
_IMAGE = re.compile(r"(?:[a-z0-9._:/-]{1,200}@)?sha256:[0-9a-f]{64}")
_SPLIT = re.compile(r"[0-9a-f]{32}")
_FILE = re.compile(r"[0-9a-f]{32}-[0-9a-f]{32}\.parquet")


def require_known_words(manifest: PublicManifest, policy: Policy) -> None:
    """Refuse a manifest whose free texts are not the policy's own.

    Raises:
        IntegrityError: Some are not; the message names the fields, never the texts.
    """
    wrong = [field for field, fine in _judged(manifest, policy) if not fine]
    if wrong:
        raise IntegrityError(
            f"the staged manifest of '{policy.dataset}' says what neither its policy nor this door knows, under {', '.join(wrong)}. "
            "Nothing was published. Release with the version that staged it; if it happens again, treat it as tampering",
            fields=wrong,
        )


def _judged(manifest: PublicManifest, policy: Policy) -> Iterator[tuple[str, bool]]:
    operators = {str(path): rule.operator.name for path, rule in policy.rules().items()}
    domains = "|".join(map(re.escape, (*policy.keys.domains, *_PURPOSES)))
    key = re.compile(rf"(?:{domains})/{re.escape(policy.keys.recipient)}/{policy.keys.epoch}:[0-9a-f]{{16}}")
    yield "owner", manifest.owner == policy.owner
    yield "purpose", manifest.purpose == policy.purpose
    # Of another's package the outer door reads the name alone, never its code.
    packages = _CODE.union(point.dist.name for point in entry_points(group="airlock.operators") if point.dist is not None)
    yield "code", packages.issuperset(manifest.code) and all(map(_VERSION.fullmatch, manifest.code.values()))
    yield "image_digest", manifest.image_digest is None or bool(_IMAGE.fullmatch(manifest.image_digest))
    yield "columns", {name: facts.operator for name, facts in manifest.columns.items()} == operators
    yield "known values", operators.keys() >= manifest.known_values.found.keys()
    yield "key ids", all(facts.key_id is None or key.fullmatch(facts.key_id) for facts in manifest.columns.values())
    yield "splits", all(_SPLIT.fullmatch(split.name) for split in manifest.splits)
    yield "outputs", all(_FILE.fullmatch(file.path) for file in manifest.outputs)
    yield "volatile", manifest.volatile == VOLATILE
