"""From a policy file to a compiled plan and its splits: what `plan`, `preview` and `anonymize` share."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from airlock.doors._footers import known_footers
from airlock.doors._zones import open_zone, require_disjoint
from airlock.engines.exclusion import listed_ids
from airlock.errors import NotFoundError, UnreadableSourceError
from airlock.plan.bind import BoundPolicy, bind_policy
from airlock.plan.compile import Plan, compile_plan
from airlock.settings import Settings
from airlock.storage import Store
from airlock.storage.sources import Listing, Split, list_source, plan_splits
from airlock.types import Zone

__all__ = ["Prepared", "prepare"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Prepared:
    """A policy, its source as listed, and the plan."""

    bound: BoundPolicy
    raw: Store
    listing: Listing
    splits: tuple[Split, ...]
    plan: Plan
    excluded: tuple[str, ...]


def prepare(policy: Path, settings: Settings) -> Prepared:
    """Read the policy, list the source, match and compile. Reads footers and headers, no rows.

    Raises:
        PolicyError: The policy is wrong.
        DriftError: The source is not what it describes.
        ZonesOverlapError: The zones are not apart.
    """
    bound = bind_policy(policy)
    require_disjoint(settings)
    raw = open_zone(settings, Zone.RAW)
    source = bound.policy.source
    listing = list_source(raw, source, known_footers(raw, settings, bound.policy.dataset))
    # Ten thousand files share a handful of schemas, and the listing mostly one object for each.
    shared = {id(file.schema): file.schema for file in listing.files}
    schemas = {None if schema is None else schema.serialize().to_pybytes(): schema for schema in shared.values()}
    plan = compile_plan(bound, schemas.values(), listing.partition_columns)
    splits = plan_splits(raw, listing, source, target_bytes=settings.number("split_mib") * _MIB or 1)
    return Prepared(bound, raw, listing, splits, plan, _excluded(raw, plan))


def _excluded(raw: Store, plan: Plan) -> tuple[str, ...]:
    path = plan.policy.source.exclude
    if path is None:
        return ()
    try:
        text = raw.read(path).removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError:
        raise UnreadableSourceError(f"source.exclude '{path}' is not UTF-8 text; it holds one subject id a line") from None
    except NotFoundError:
        raise NotFoundError(
            f"zone 'raw' has no file '{path}', which source.exclude names. Put it there, or correct the path"
        ) from None
    return listed_ids(text, plan)
