"""The policies that a command names, and that they don't get into each other's way. Called by every command that takes several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import combinations
from pathlib import Path, PurePosixPath

from airlock.errors import PolicyError
from airlock.policy.load import load_policy, policy_files
from airlock.policy.model import Policy
from airlock.types import Sha256

__all__ = ["approved_policies", "gather"]


def gather(paths: Iterable[Path]) -> list[Path]:
    """The policy files that these paths name, each once. A policy with faults is its own door's business.

    Raises:
        NotFoundError: No such path, or a folder without policies.
        PolicyError: Two are of one dataset, or write into each other's sink: all such pairs are named.
    """
    files = {file.resolve(): file for path in paths for file in policy_files(path)}
    loaded: dict[Path, Policy] = {}
    for file in files.values():
        with suppress(PolicyError):
            loaded[file] = load_policy(file)
    clashes = list(_clashes(loaded))
    if clashes:
        raise PolicyError("\n".join(["these policies get into each other's way, so nothing was done:", *clashes]))
    return list(files.values())


def approved_policies(folder: Path) -> tuple[dict[Sha256, Policy], list[PolicyError]]:
    """The approved policies by digest, and what is wrong with files there that approve nothing.

    Raises:
        NotFoundError: There is no such folder, or none of its files is a policy.
    """
    approved: dict[Sha256, Policy] = {}
    broken: list[PolicyError] = []
    for path in policy_files(folder):
        try:
            policy = load_policy(path)
        except PolicyError as error:  # no other dataset's business
            broken.append(error)
        else:
            approved[policy.digest] = policy
    return approved, broken


def _clashes(policies: Mapping[Path, Policy]) -> Iterator[str]:
    for (one, left), (other, right) in combinations(policies.items(), 2):
        names = f"'{one}' and '{other}'"
        if left.dataset == right.dataset:
            yield f"{names} are of one dataset, '{left.dataset}'. Give each its own name, or name one of the files"
        elif left.sink.path == right.sink.path:
            yield f"{names} have one sink, '{left.sink.path}'. Give each its own sink.path"
        elif _within(left.sink.path, right.sink.path) or _within(right.sink.path, left.sink.path):
            yield f"{names}: of their sinks '{left.sink.path}' and '{right.sink.path}' one lies within the other. Set them side by side"


def _within(inner: str, outer: str) -> bool:
    return PurePosixPath(outer) in PurePosixPath(inner).parents
