"""Which runs there are, and what is known of one: joined from whichever zones this configuration names. Reads only.

Called by `airlock runs list`, `show` and `diff`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from airlock.doors._failures import Failure
from airlock.doors._releases import released_traces
from airlock.doors._reports import find_report
from airlock.doors._traces import KnownRun, PrivateAccount, Trace, private_traces, staged_traces
from airlock.doors._zones import open_zone
from airlock.errors import AirlockError, ConfigError, IntegrityError, NotFoundError
from airlock.evidence.canonical import parse_canonical
from airlock.evidence.manifest import PublicManifest
from airlock.evidence.trust import Trust
from airlock.settings import Settings
from airlock.types import RunState, Zone

__all__ = ["Failure", "GateCheck", "KnownRun", "PrivateAccount", "RunDetail", "list_runs", "show_run"]

_WEIGHT = {Zone.SANITIZED: 0, Zone.STAGING: 1, Zone.PRIVATE: 2}
"""What the outer door published says more than what was staged, and that more than what was begun."""


@dataclass(frozen=True, slots=True)
class GateCheck:
    """One check of the gate, as `gate.json` says it. Names and counts, no value.

    Attributes:
        findings: What it met, as written.
    """

    check: str
    passed: bool
    findings: tuple[str, ...]
    waived: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RunDetail:
    """All that is known of one run.

    Attributes:
        manifest: The released one where there is one, else the staged one.
        gate: Empty where the gate's verdict is not here: releases carry it, and the outer door keeps it of runs that it refused.
        not_proven: Entities that the gate can't prove absent, with the reason for which the policy accepts that.
        account: Inside the raw side only.
    """

    known: KnownRun
    manifest: PublicManifest | None
    gate: tuple[GateCheck, ...]
    not_proven: dict[str, str]
    account: PrivateAccount | None


def list_runs(settings: Settings, dataset: str | None = None) -> list[KnownRun]:
    """Every run that the named zones know of, by dataset, the oldest first. A run whose evidence fails says so in `problem`.

    Raises:
        ConfigError: No zone but raw is named.
        SignatureError: No trusted key is given, so evidence can't be checked.
        NotFoundError: The named dataset has no run.
    """
    found = [_joined(traces, settings).known for traces in _by_run(settings, dataset)]
    if not found and dataset is not None:
        raise NotFoundError(
            f"no run of '{dataset}' is known in {_named(settings)}; 'airlock runs list' shows what is", dataset=dataset
        )
    return found


def show_run(run: str, settings: Settings, dataset: str | None = None) -> RunDetail:
    """One run in full.

    Args:
        run: Its id, or how it begins.
        settings: Names the zones to look into.
        dataset: Where one id stands in several.

    Raises:
        NotFoundError: No such run, or several.
    """
    matches = [traces for traces in _by_run(settings, dataset) if run and traces[0].known.run.startswith(run)]
    exact = [traces for traces in matches if traces[0].known.run == run]
    chosen = exact or matches
    if len(chosen) != 1:
        names = ", ".join(f"{traces[0].known.dataset}/{traces[0].known.run}" for traces in chosen[:_FEW])
        said = f"{len(chosen)} runs match '{run}': {names}. Name one in full, or its --dataset"
        raise NotFoundError(said if chosen else f"no run '{run}' is known in {_named(settings)}", run=run)
    trace = _reported(_joined(chosen[0], settings), settings)
    verdict = {} if trace.gate is None else parse_canonical(trace.gate)
    return RunDetail(trace.known, trace.manifest, _checks(verdict), dict(verdict.get("not_proven", {})), trace.account)


_FEW = 5


def _reported(trace: Trace, settings: Settings) -> Trace:
    """With the gate's report, where the run was refused and this configuration names where reports are kept."""
    if trace.gate is not None or trace.known.state != RunState.REFUSED:
        return trace
    try:
        report = find_report(f"{trace.known.dataset}/{trace.known.run}", settings)
    except AirlockError as error:
        return replace(trace, known=replace(trace.known, problem=error.code, said=str(error)))
    return trace if report is None else replace(trace, gate=report.gate)


def _zones(settings: Settings) -> list[Zone]:
    return [zone for zone in _WEIGHT if settings.has(zone)]


def _named(settings: Settings) -> str:
    return ", ".join(f"zone '{zone}'" for zone in _zones(settings))


def _by_run(settings: Settings, dataset: str | None) -> list[list[Trace]]:
    """The traces of each run, the weightiest zone's first."""
    zones = _zones(settings)
    if not zones:
        raise ConfigError(
            f"{settings.file or 'no airlock.yaml is here or above, and this configuration'} names none of the zones private, staging "
            "and sanitized, so no run can be looked for. Name one, or name the file with --config"
        )
    found: dict[tuple[str, str], list[Trace]] = {}
    for zone in zones:
        for trace in _traces(zone, settings, dataset):
            found.setdefault((trace.known.dataset, trace.known.run), []).append(trace)
    return [traces for _, traces in sorted(found.items(), key=lambda item: item[0])]


def _traces(zone: Zone, settings: Settings, dataset: str | None) -> Iterator[Trace]:
    store = open_zone(settings, zone)
    if zone is Zone.PRIVATE:
        return private_traces(store, dataset)
    if zone is Zone.STAGING:
        return staged_traces(store, dataset, settings)
    return released_traces(store, dataset, Trust.load(settings.path("trust")))


def _joined(traces: list[Trace], settings: Settings) -> Trace:
    """One trace of several: the weightiest says what it knows, the others fill what it does not."""
    first, *others = traces
    known = first.known
    for other in others:
        known = replace(known, **{name: value for name, value in _values(other.known) if getattr(known, name) in (None, "")})
    return Trace(
        _unpublished(known, settings),
        next((trace.manifest for trace in traces if trace.manifest is not None), None),
        first.gate,
        next((trace.account for trace in traces if trace.account is not None), None),
    )


def _values(known: KnownRun) -> Iterable[tuple[str, Any]]:
    return ((field.name, getattr(known, field.name)) for field in fields(known))


def _unpublished(known: KnownRun, settings: Settings) -> KnownRun:
    """A run that the outer door says it released, but that zone `sanitized` knows nothing of."""
    if known.sink or known.state not in (RunState.RELEASED, RunState.REVOKED) or Zone.SANITIZED not in _zones(settings):
        return known
    said = f"the verdict of run '{known.run}' says {known.state}, but zone 'sanitized' holds no evidence of it. Find out who removed it"
    return replace(known, problem=IntegrityError.code, said=said)


def _checks(verdict: Mapping[str, Any]) -> tuple[GateCheck, ...]:
    """The checks of `gate.json`, whose digest the outer door signed."""
    return tuple(
        GateCheck(one["check"], one["passed"], _findings(one["problems"]), _findings(one["waived"]))
        for one in verdict.get("checks", ())
    )


def _findings(found: list[dict[str, object]]) -> tuple[str, ...]:
    return tuple(" ".join(f"{name}={value}" for name, value in sorted(one.items()) if value not in ("", 0)) for one in found)
