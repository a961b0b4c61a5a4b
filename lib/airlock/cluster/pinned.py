"""Admission policies that a claim counts on: named in `guards:`, and pinned by what they say, which is not evaluated here. Called by `paths`.

What a policy's expressions (CEL) let in no proof over resources tells. Somebody has read them: the digest says that they are still the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from airlock.cluster._shape import about, mapping, mappings, words
from airlock.cluster.admission import ADMISSION, binds, constrains, labels_of
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resource, Resources

__all__ = ["Guard", "guard_digests", "guard_openings", "parameters_digest", "said_digest"]

_POLICY, _BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
_EXPRESSIONS = {"matchConditions": ("name", "expression"), "variables": ("name", "expression"), "validations": ("expression",)}
_READ = frozenset({"failurePolicy", "paramKind", "matchConstraints", "auditAnnotations", *_EXPRESSIONS})
_BOUND_BY = frozenset({"policyName", "paramRef", "matchResources", "validationActions"})
_NARROWS = ("objectSelector", "resourceRules", "excludeResourceRules")
_WHOLE = "Equivalent"
"""The matchPolicy by which an object is looked at in whatever version it comes."""
_ABOUT = ("apiVersion", "kind", "metadata", "status")
_NAME = "kubernetes.io/metadata.name"
_DEFAULTS = {"namespaceSelector": {}, "objectSelector": {}, "matchPolicy": _WHOLE}


@dataclass(frozen=True, slots=True)
class Guard:
    """One binding of one entry of `guards:` in flows.yaml: it must be there, and its policy must say what it said when it was read.

    Attributes:
        policy: Name of the ValidatingAdmissionPolicy.
        digest: What `said_digest` gave of it.
        namespaces: Where it must be bound.
        parameters: `NAMESPACE/NAME` (`NAME` where the binding says no namespace, and each has its own) of the object that has its
            parameters; empty where it takes none.
        says: What `parameters_digest` gave of that object; empty where it is not pinned, and then what it says is listed alone.
        place: File and line of it.
        says_at: Where `says` stands, for whoever has to change it.
    """

    policy: str
    digest: str
    namespaces: tuple[str, ...]
    parameters: str = ""
    says: str = ""
    place: str = "flows.yaml"
    says_at: str = "flows.yaml"


def said_digest(policy: Resource) -> str:
    """What decides whether a ValidatingAdmissionPolicy lets an object in, as `sha256:` and 64 hexadecimal digits.

    What it is asked about, its parameters' kind, conditions, variables and expressions, with the API server's defaults put in where they
    are left out; not its messages, labels and audit annotations, which decide nothing.

    Raises:
        ConfigError: The object has not the shape of its kind.

    Example:
        >>> from airlock.cluster.resources import resources_from
        >>> body = {"apiVersion": f"{ADMISSION}/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "a"}}
        >>> [bare] = resources_from([("a.yaml", body)]).all
        >>> [same] = resources_from([("a.yaml", {**body, "spec": {"failurePolicy": "Fail"}})]).all
        >>> [other] = resources_from([("a.yaml", {**body, "spec": {"validations": [{"expression": "true"}]}})]).all
        >>> said_digest(bare)[:15], said_digest(bare) == said_digest(same), said_digest(bare) == said_digest(other)
        ('sha256:b5ed3887', True, False)
    """
    with about(policy):
        spec, kind = policy.spec, mapping(policy.spec, "paramKind")
        said = {
            "failurePolicy": spec.get("failurePolicy") or "Fail",
            "paramKind": {key: kind.get(key) for key in ("apiVersion", "kind")} if kind else None,
            "matchConstraints": _match(mapping(spec, "matchConstraints")),
            "more": {key: value for key, value in spec.items() if key not in _READ and value is not None},
            **{key: [[one.get(part) for part in parts] for one in mappings(spec, key)] for key, parts in _EXPRESSIONS.items()},
        }
    return _digest(said)


def _digest(said: Mapping[str, Any]) -> str:
    text = json.dumps(said, sort_keys=True, separators=(",", ":"), default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def guard_digests(resources: Resources, guards: Sequence[Guard]) -> Iterator[tuple[str, ...]]:
    """Each guard's policy, its digest and that of its parameters, and its bindings: what changes where any of it does.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    for guard in guards:
        policy = resources.find(_POLICY, "", guard.policy)
        refs = [_list_of(policy, guard, where) for where in guard.namespaces] if policy and guard.parameters else []
        lists = (resources.find(ref.kind, ref.namespace, ref.name) for ref in refs)
        yield guard.policy, said_digest(policy) if policy else "", *(parameters_digest(one) if one else "" for one in lists)
    for binding in resources.of(_BINDING, ADMISSION):
        if str(binding.spec.get("policyName")) in {guard.policy for guard in guards}:
            with about(binding):
                match = _match(mapping(binding.spec, "matchResources"))
            yield binding.name, _digest({**binding.spec, "matchResources": match})


def _match(match: Mapping[str, Any]) -> Mapping[str, Any]:
    rules = {
        key: [{**rule, "scope": rule.get("scope") or "*"} for rule in mappings(match, key)]
        for key in ("resourceRules", "excludeResourceRules")
    }
    return {**match, **{key: match.get(key) or value for key, value in _DEFAULTS.items()}, **rules}


def guard_openings(resources: Resources, guards: Sequence[Guard], making: Iterable[str]) -> Iterator[tuple[str, Opening]]:
    """Declared guards that are gone, changed or not bound, and namespaces where pods are made that none of them looks at.

    Args:
        resources: All objects.
        guards: The declared ones.
        making: Namespaces in which a subject of a zone may create pods: Pod Security alone leaves it their names, labels and volumes.

    Returns:
        Each with the namespace that is left open.

    Raises:
        ConfigError: An object has not the shape of its kind.
    """
    bindings: dict[str, list[Resource]] = {}
    for one in resources.of(_BINDING, ADMISSION):
        bindings.setdefault(str(one.spec.get("policyName")), []).append(one)
    looked_at: set[str] = set()
    for guard in guards:
        policy = resources.find(_POLICY, "", guard.policy)
        if policy is None:
            text = f"is not there, and {guard.place} counts on it"
            opening = _opening(guard, Verdict.REFUTED, "guard.missing", text, "Apply it")
            yield from ((name, opening) for name in guard.namespaces)
            continue
        with about(policy):
            looked_at |= {*guard.namespaces} if _guards_pods(policy) else set()
        yield from _kept(resources, guard, policy, bindings.get(guard.policy, []))
    for name in making:
        if name not in looked_at:
            text = (
                "pods are made by subjects of the zone, and no entry of 'guards' names an admission policy that looks at them"
            )
            step = "Bind a ValidatingAdmissionPolicy for CREATE of pods and name it under 'guards' in flows.yaml, or take the right away"
            yield (
                name,
                Opening(Ref("Namespace", "", name), "admission", "", text, Verdict.NO_PROOF, "admission.unguarded", step),
            )


def _kept(resources: Resources, guard: Guard, policy: Resource, bindings: Sequence[Resource]) -> Iterator[tuple[str, Opening]]:
    openings = [*_changed(policy, guard), *_weak(policy, guard)]
    judged = [(one, _weakness(one, guard)) for one in bindings]
    for name in guard.namespaces:
        yield from ((name, opening) for opening in (*openings, *_parameters(resources, policy, guard, name)))
        labels = labels_of(resources, [name])
        there = [(one, weak) for one, weak in judged if _reaches(one, policy, labels)]
        holding = [one for one, weak in there if not weak]
        if not holding:
            why = "; ".join(f"{one.name} {weak}" for one, weak in there) or "none is of this policy and reaches the namespace"
            text = f"no binding holds it for '{name}', where {guard.place} counts on it: {why}"
            yield name, _opening(guard, Verdict.REFUTED, "guard.unbound", text, "Apply its binding, or correct it")
        elif label := next(filter(None, (_label(mapping(one.spec, "matchResources")) for one in holding)), ""):
            yield name, replace(_by_label(guard, label), where=holding[0].ref)


def _reaches(binding: Resource, policy: Resource, labels: list[Mapping[str, str]]) -> bool:
    with about(binding):
        reached = binds(binding, labels)
    with about(policy):
        return reached and constrains(policy, labels)


def parameters_digest(one: Resource) -> str:
    """What an object with parameters says, all but its metadata and status, as `sha256:` and 64 hexadecimal digits."""
    return _digest({key: value for key, value in one.body.items() if key not in _ABOUT})


def _list_of(policy: Resource, guard: Guard, where: str) -> Ref:
    """The object that says what a guard lets in for a namespace: one for all, or each namespace's own."""
    namespace, _, name = guard.parameters.rpartition("/")
    return Ref(str(mapping(policy.spec, "paramKind").get("kind") or "object"), namespace or where, name)


def _parameters(resources: Resources, policy: Resource, guard: Guard, where: str) -> Iterator[Opening]:
    """The object that says what the policy lets in for a namespace: whether it is there, may change, and says what it said when it was read."""
    if not guard.parameters:
        return
    ref = _list_of(policy, guard, where)
    found = resources.find(ref.kind, ref.namespace, ref.name)
    if found is None:
        text = f"lets in what {ref} says, which is not among these objects"
        yield _opening(guard, Verdict.NO_PROOF, "guard.parameters", text, "Give it too")
        return
    if found.metadata.get("deletionTimestamp"):
        text = f"{guard.policy} lets in what it says, and it is being deleted"
        yield Opening(found.ref, "admission", "", text, Verdict.NO_PROOF, "guard.leaving", "Apply it anew")
    if ref.kind == "ConfigMap" and found.body.get("immutable") is not True:
        text = f"{guard.policy} lets in what it says, and that can change under it"
        step = "Set immutable to true; for another content make it anew"
        yield Opening(found.ref, "admission", "immutable", text, Verdict.NO_PROOF, "guard.mutable", step)
    said = parameters_digest(found)
    if guard.says and said != guard.says:
        text = f"{guard.policy} lets in what it says, and that is not what was read: {said}, and {guard.says_at} expects {guard.says}"
        step = f"Put it back; or read it, and put the digest that was found into {guard.says_at}"
        yield Opening(found.ref, "admission", "", text, Verdict.NO_PROOF, "guard.parameters", step)
    else:
        yield Opening(found.ref, "admission", "", f"{guard.policy} lets in what it says: {said}")


def _changed(policy: Resource, guard: Guard) -> Iterator[Opening]:
    found = said_digest(policy)
    if found != guard.digest:
        text = f"does not say what it said when it was read: {found}, and {guard.place} expects {guard.digest}"
        step = "Put it back; or read it, and put the digest that was found there"
        yield _opening(guard, Verdict.NO_PROOF, "guard.changed", text, step)


def _weak(policy: Resource, guard: Guard) -> Iterator[Opening]:
    """What lets objects past it, whatever its expressions say."""
    match = mapping(policy.spec, "matchConstraints")
    if policy.metadata.get("deletionTimestamp"):
        yield _opening(guard, Verdict.NO_PROOF, "guard.leaving", "is being deleted", "Apply it anew")
    if (policy.spec.get("failurePolicy") or "Fail") != "Fail":
        text = "lets objects in when it can't be evaluated"
        yield _opening(guard, Verdict.NO_PROOF, "guard.fails-open", text, "Set failurePolicy to Fail")
    if match.get("objectSelector"):
        text = "looks at objects by labels that whoever makes them sets"
        yield _opening(guard, Verdict.NO_PROOF, "guard.by-label", text, "Take objectSelector out")
    if label := _label(match):
        yield _by_label(guard, label)
    if (match.get("matchPolicy") or _WHOLE) != _WHOLE:
        text = "looks at the versions alone that it names; the same object comes in by another"
        yield _opening(guard, Verdict.NO_PROOF, "guard.by-version", text, f"Set matchPolicy to {_WHOLE}")


def _opening(guard: Guard, verdict: Verdict, code: str, text: str, step: str) -> Opening:
    return Opening(Ref(_POLICY, "", guard.policy), "admission", "", text, verdict, code, step)


def _by_label(guard: Guard, label: str) -> Opening:
    text = f"reaches namespaces by their label '{label}', which can be taken off them: an update is asked about with its new labels"
    return _opening(guard, Verdict.NO_PROOF, "guard.by-label", text, f"Select them by {_NAME}")


def _weakness(binding: Resource, guard: Guard) -> str:
    """Why a binding does not deny all that the policy refuses by the guard's parameters; empty where it does. Where is another question."""
    with about(binding):
        return next(_weaknesses(binding, guard), "")


def _weaknesses(binding: Resource, guard: Guard) -> Iterator[str]:
    match, given = mapping(binding.spec, "matchResources"), mapping(binding.spec, "paramRef")
    for odd in sorted(binding.spec.keys() - _BOUND_BY):
        yield f"has the field '{odd}', which is not known here"
    if binding.metadata.get("deletionTimestamp"):
        yield "is being deleted"
    if "Deny" not in words(binding.spec, "validationActions"):
        yield "only warns or writes to the audit log"
    namespace, _, name = guard.parameters.rpartition("/")
    named = f"{given.get('namespace') or ''}/{given.get('name') or ''}"
    if named != f"{namespace}/{name}" or given.get("selector"):
        yield f"takes '{named.strip('/')}' for its parameters, expected '{guard.parameters}'"
    if given and given.get("parameterNotFoundAction") != "Deny":
        yield "lets objects in when its parameters are gone"
    for narrow in _NARROWS:
        if match.get(narrow):
            yield f"leaves objects out by matchResources.{narrow}"


def _label(match: Mapping[str, Any]) -> str:
    """A label by which namespaces are selected and that is not their name, which alone can't change; empty where there is none."""
    selector = mapping(match, "namespaceSelector")
    keys = [*mapping(selector, "matchLabels"), *(one.get("key") for one in mappings(selector, "matchExpressions"))]
    return next((str(key) for key in keys if key != _NAME), "")


def _guards_pods(policy: Resource) -> bool:
    match = mapping(policy.spec, "matchConstraints")
    return (
        any(map(_of_new_pods, mappings(match, "resourceRules")))
        and not match.get("excludeResourceRules")
        and bool(mappings(policy.spec, "validations"))
    )


def _of_new_pods(rule: Mapping[str, Any]) -> bool:
    return (
        bool({"CREATE", "*"} & set(words(rule, "operations")))
        and bool({"", "*"} & set(words(rule, "apiGroups")))
        and bool({"v1", "*"} & set(words(rule, "apiVersions")))
        and bool({"pods", "*", "*/*"} & set(words(rule, "resources")))
        and not words(rule, "resourceNames")
        and rule.get("scope") != "Cluster"
    )
