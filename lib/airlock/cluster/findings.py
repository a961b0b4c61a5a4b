"""What a look at a cluster found: verdicts, findings that bear on them, and paths by which a byte can leave. Called by `paths` and `prove`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from airlock.cluster.resources import Ref

__all__ = ["Accepted", "Finding", "Opening", "Path", "Verdict", "merged", "worst"]


class Verdict(StrEnum):
    """What is known of a claim, from best to worst: shown, neither shown nor refuted, refuted."""

    PROVEN = "proven"
    NO_PROOF = "no_proof"
    REFUTED = "refuted"

    @property
    def rank(self) -> int:
        """0 for the best; words would sort by their letters."""
        return list(Verdict).index(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that stands against a proof.

    Attributes:
        verdict: REFUTED where the claim is false, NO_PROOF where it can't be told.
        code: What kind of finding, for machines: `rights.undeclared`.
        what: What was found against what was expected. Names and numbers of objects, never what a Secret or a ConfigMap holds.
        where: The object that is responsible; None where it is what is missing.
        rule: Which part of it: `spec.volumes[2]`, `rule 1: get on secrets`.
        next_step: What to do.

    Example:
        >>> ref = Ref("Pod", "pii-raw", "driver")
        >>> print(Finding(Verdict.REFUTED, "pod.host-network", "shares the node's network", ref, "spec.hostNetwork", "Take it out"))
        REFUTED Pod pii-raw/driver (spec.hostNetwork): shares the node's network. Take it out
    """

    verdict: Verdict
    code: str
    what: str
    where: Ref | None = None
    rule: str = ""
    next_step: str = ""

    def __str__(self) -> str:
        place = f"{self.where}{f' ({self.rule})' if self.rule else ''}: " if self.where else ""
        said = self.verdict.name.replace("_", " ")
        return f"{said} {place}{self.what}{f'. {self.next_step}' if self.next_step else ''}"


@dataclass(frozen=True, slots=True)
class Path:
    """One way by which a byte can leave a zone. Being listed changes no verdict: what is wrong with it is a finding.

    Attributes:
        zone: The zone it leaves.
        kind: `api-server`, `logs`, `rights`, `platform`, `token`, `volume`, `image`, `service`, `admission`, `node`, ...
        opens: The object that opens it.
        rule: Which part of that object.
        text: How a byte goes.
        accepted: The reason that was declared for it; None where nothing was.

    Example:
        >>> ref = Ref("RoleBinding", "pii-raw", "driver")
        >>> print(Path("raw", "rights", ref, "rule 1", "ServiceAccount pii-raw/driver may create pods", "starts executors"))
        raw, rights: ServiceAccount pii-raw/driver may create pods [RoleBinding pii-raw/driver (rule 1)] - accepted: starts executors
    """

    zone: str
    kind: str
    opens: Ref
    rule: str
    text: str
    accepted: str | None = None

    def __str__(self) -> str:
        opened = f"{self.opens}{f' ({self.rule})' if self.rule else ''}"
        return f"{self.zone}, {self.kind}: {self.text} [{opened}]{f' - accepted: {self.accepted}' if self.accepted else ''}"


@dataclass(frozen=True, slots=True)
class Accepted:
    """One entry of `accepted:` in flows.yaml: an object, or a kind, that somebody has looked at and that may stand beside a proof.

    What is not modelled about it is listed with the reason instead of being found; what is refuted stays refuted.

    Attributes:
        name: Of the object; empty: every one of the kind.

    Example:
        >>> Accepted("CiliumEnvoyConfig", "", "", "of the ingress").covers(Ref("CiliumEnvoyConfig", "a", "b"))
        True
    """

    kind: str
    name: str
    namespace: str
    why: str

    def covers(self, ref: Ref | None) -> bool:
        """Whether it speaks of an object."""
        return (
            ref is not None
            and ref.kind == self.kind
            and (not self.name or (self.namespace, self.name) == (ref.namespace, ref.name))
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """What an object opens, before it is known out of which zone: a path, a finding, or both.

    Attributes:
        where: The object.
        kind: The path's kind; empty where it is no path, but something that can't be judged.
        rule: Which part of the object.
        text: How a byte goes, or what was found against what was expected.
        verdict: What it does to a proof; PROVEN where it is only listed.
        code: The finding's code.
        next_step: What to do.
    """

    where: Ref
    kind: str
    rule: str
    text: str
    verdict: Verdict = Verdict.PROVEN
    code: str = ""
    next_step: str = ""

    def path(self, zone: str, accepted: str | None = None) -> Path | None:
        """As a path out of a zone."""
        return Path(zone, self.kind, self.where, self.rule, self.text, accepted) if self.kind else None

    def finding(self) -> Finding | None:
        """As a finding."""
        if self.verdict is Verdict.PROVEN:
            return None
        return Finding(self.verdict, self.code, self.text, self.where, self.rule, self.next_step)


def worst(findings: Iterable[Finding]) -> Verdict:
    """The verdict that findings leave; PROVEN where there are none.

    Example:
        >>> worst([Finding(Verdict.REFUTED, "a", "b"), Finding(Verdict.NO_PROOF, "a", "b")]).name, worst([]).name
        ('REFUTED', 'PROVEN')
    """
    return max((one.verdict for one in findings), key=lambda one: one.rank, default=Verdict.PROVEN)


def merged(openings: Iterable[Opening]) -> list[Opening]:
    """Openings that differ in the object's name alone, told once: a thousand executors make one, which says how many more there are."""
    first: dict[tuple[str, ...], Opening] = {}
    more: dict[tuple[str, ...], int] = {}
    for one in openings:
        key = (one.kind, one.rule, one.text, one.verdict, one.code, one.where.kind, one.where.namespace)
        if key in first:
            more[key] = more.get(key, 0) + 1
        else:
            first[key] = one
    return [
        replace(one, text=f"{one.text} (and {more[key]:,} more like it)") if key in more else one for key, one in first.items()
    ]
