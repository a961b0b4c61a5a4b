"""Draft a policy from a sample, or append the rules that one misses. Called by `airlock draft`; only names and counts get out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from airlock.doors._zones import open_zone
from airlock.errors import ConfigError, NotFoundError, PolicyError
from airlock.policy.load import load_policy
from airlock.policy.model import Source
from airlock.policy.profile import profile
from airlock.policy.propose import missing_rules, propose, update
from airlock.settings import Settings
from airlock.storage import Store, open_store
from airlock.storage.sources import list_source, sample
from airlock.storage.sources.hive import is_hidden
from airlock.types import Zone

__all__ = ["Draft", "SourceFormat", "draft_policy", "draft_update", "write_draft"]

SourceFormat = Literal["parquet", "csv", "jsonl"]

_ENDINGS: dict[str, SourceFormat] = {
    ".parquet": "parquet", ".parq": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "jsonl",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy's text.

    Attributes:
        rows: Sampled.
        rules: Paths of the rules that were drafted, in order.
    """

    text: str
    dataset: str
    rows: int
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    store: Store
    path: str


def draft_policy(
    path: str, settings: Settings, *, dataset: str | None = None, source_format: SourceFormat | None = None, rows: int = 10_000
) -> Draft:
    """Draft a policy for raw data.

    Args:
        path: `raw/PATH` in zone `raw`, where one is configured; else a file or folder of this machine.
        settings: Zone `raw`, for such a path.
        dataset: The dataset's name; by default made from the path's last part.
        source_format: By default told from the files' endings.
        rows: How many to sample.

    Raises:
        NotFoundError: There is no data at the path.
        ConfigError: The format or the dataset's name can't be told, or `rows` is below 1.
    """
    place = _place(path, settings)
    source = Source(path=place.path, format=source_format or _format_of(place))
    table = sample(place.store, list_source(place.store, source), source, _checked(rows))
    name = dataset or _dataset_name(place.path)
    profiles = profile(table)
    text = propose(profiles, dataset=name, source_path=place.path, format=source.format)
    return Draft(text, name, table.num_rows, tuple(str(leaf.path) for leaf in profiles))


def draft_update(policy: Path, settings: Settings, *, rows: int = 10_000) -> Draft:
    """A policy's own text with rules appended for what its source has and it doesn't; comments and all else stay.

    Raises:
        PolicyFileError: The policy has faults.
        NotFoundError: There is no such policy, or no data at its source.
    """
    declared = load_policy(policy)
    store, source = open_zone(settings, Zone.RAW), declared.source
    table = sample(store, list_source(store, source), source, _checked(rows))
    missing = missing_rules(profile(table), present=list(declared.rules()), dataset=declared.dataset)
    text = update(policy.read_text(encoding="utf-8"), missing, domains=declared.keys.domains)
    return Draft(text, declared.dataset, table.num_rows, tuple(missing))


def write_draft(draft: Draft, path: Path, *, replace: bool = False) -> None:
    """Write a draft to a new file, in a new folder if need be; with `replace`, in the place of the policy that it updates.

    Raises:
        PolicyError: The file is there already (without `replace`), or can't be written.
    """
    try:
        if not replace:
            if not path.parent.exists():
                path.parent.mkdir(parents=True)
            with path.open("x", encoding="utf-8", newline="") as file:
                file.write(draft.text)
            return
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(draft.text, encoding="utf-8", newline="")
        fresh.replace(path)
    except FileExistsError:
        raise PolicyError(
            f"'{path}' is already there and is not overwritten. Choose another name, or append to it: airlock draft --update {path}"
        ) from None
    except OSError as error:
        raise PolicyError(f"'{path}' can't be written: {error.strerror}. Check the folder") from None


def _checked(rows: int) -> int:
    if rows < 1:
        raise ConfigError(f"a sample has one row or more; asked for {rows}")
    return rows


def _place(path: str, settings: Settings) -> _Place:
    zone, _, rest = path.rstrip("/").partition("/")
    if zone == Zone.RAW and rest and settings.has(Zone.RAW):
        return _Place(open_zone(settings, Zone.RAW), rest)
    found = Path(path).expanduser().absolute()
    if not found.exists():
        hint = "" if zone != Zone.RAW else " and zone 'raw' is not configured (zones.raw.uri)"
        raise NotFoundError(f"there is no '{path}' here{hint}. Name raw/PATH of zone raw, or a file or folder of this machine")
    raw = settings.get("zones.raw.uri")
    root = open_store(raw).local_path("") if raw is not None else None
    if root is not None and found != root and found.is_relative_to(root):
        return _Place(open_store(str(root)), found.relative_to(root).as_posix())
    return _Place(open_store(str(found.parent)), found.name)


def _format_of(place: _Place) -> SourceFormat:
    files = [Path(entry.path) for entry in place.store.list(place.path) if not is_hidden(entry.path, place.path)]
    if not files:
        raise NotFoundError(f"there is no data file at '{place.path}' (a name with '_' or '.' before it is none)")
    for file in files:
        known = _ENDINGS.get(Path(file.name.removesuffix(".gz")).suffix.lower())
        if known is not None:
            return known
    raise ConfigError(
        f"the format of '{place.path}' can't be told from its files' endings. Say --format {'|'.join(get_args(SourceFormat))}"
    )


def _dataset_name(path: str) -> str:
    stem = Path(path).name.partition(".")[0]
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:63]
    if not name:
        raise ConfigError(f"no dataset name can be made from '{path}'. Say --dataset NAME")
    return name
