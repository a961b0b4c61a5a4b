"""Which tokens pods carry: what they may say to the API server, and to whom else they prove who they are. Called by `podspec`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from airlock.cluster._shape import about, mapping, mappings
from airlock.cluster.findings import Opening, Verdict
from airlock.cluster.resources import Ref, Resources
from airlock.cluster.subjects import Subject

__all__ = ["account_of", "legacy_tokens", "token_openings"]

_LEGACY = "kubernetes.io/service-account-token"
_ACCOUNT = "kubernetes.io/service-account.name"
_API_AUDIENCES = ("https://kubernetes.default.svc", "kubernetes.default.svc")


def account_of(namespace: str, spec: Mapping[str, Any]) -> Subject:
    """Whose token a pod would carry."""
    return Subject("ServiceAccount", namespace, str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default"))


def token_openings(
    ref: Ref, place: str, spec: Mapping[str, Any], resources: Resources, declared: frozenset[Subject]
) -> Iterator[Opening]:
    """Tokens that a pod carries.

    Args:
        ref: The object that makes the pod.
        place: Where its spec stands in the object.
        spec: The pod's spec.
        resources: For its ServiceAccount.
        declared: Who has declared rights: for them a token is expected.
    """
    account = account_of(ref.namespace, spec)
    rule = _mounted(account, place, spec, resources)
    if rule:
        yield _api_token(ref, rule, account, declared)
    for number, volume in enumerate(mappings(spec, "volumes")):
        for source in mappings(mapping(volume, "projected"), "sources") if "projected" in volume else ():
            at = f"{place}.volumes[{number}].projected"
            if "podCertificate" in source:
                signer = mapping(source, "podCertificate").get("signerName")
                yield Opening(ref, "token", at, f"carries a certificate of {account} by the signer '{signer}'")
            if "serviceAccountToken" not in source:
                continue
            audience = str(mapping(source, "serviceAccountToken").get("audience") or "")
            if audience not in ("", "api") and not audience.startswith(_API_AUDIENCES):
                yield Opening(ref, "token", at, f"carries a token of {account} for '{audience}'")
            elif not rule:
                yield _api_token(ref, at, account, declared)


def _mounted(account: Subject, place: str, spec: Mapping[str, Any], resources: Resources) -> str:
    """Which field puts the API server's token into the pod; the pod's own goes before its account's, and the default is to mount it."""
    own = spec.get("automountServiceAccountToken")
    if own is not None:
        return f"{place}.automountServiceAccountToken" if own is True else ""
    found = resources.find("ServiceAccount", account.namespace, account.name)
    of_account = found.body.get("automountServiceAccountToken") if found else None
    return "" if of_account is False else f"{place}.automountServiceAccountToken (left out)"


def _api_token(ref: Ref, rule: str, account: Subject, declared: frozenset[Subject]) -> Opening:
    text = f"carries a token of {account} for the API server"
    if account in declared:
        return Opening(ref, "token", rule, text)
    text += ", which has no declared right"
    step = "Set automountServiceAccountToken: false in the pod and its ServiceAccount, or declare its rights"
    return Opening(ref, "token", rule, text, Verdict.REFUTED, "token.mounted", step)


def legacy_tokens(resources: Resources, namespaces: frozenset[str]) -> Iterator[Opening]:
    """Secrets of these namespaces that hold a token which never ends."""
    for one in resources.of("Secret", ""):
        if one.namespace not in namespaces:
            continue
        with about(one):
            account = mapping(one.metadata, "annotations").get(_ACCOUNT)
        step = "Delete it; pods get tokens that end by a projected volume"
        if one.body.get("type") == _LEGACY:
            text = f"holds a token of ServiceAccount {one.namespace}/{account or ''} that never ends"
            yield Opening(one.ref, "token", "type", text, Verdict.REFUTED, "token.legacy", step)
        elif account is not None and not one.body.get("type"):
            # A live cluster's Secrets are read by their metadata alone, so that nothing secret comes along.
            text = f"may hold a token of ServiceAccount {one.namespace}/{account} that never ends: its type is not here"
            rule = f"metadata.annotations[{_ACCOUNT}]"
            yield Opening(one.ref, "token", rule, text, Verdict.NO_PROOF, "token.legacy", step)
