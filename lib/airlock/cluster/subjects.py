"""Who acts: users, groups and ServiceAccounts, and the groups that every one of them is in. Called by `rbac` and `paths`."""

from __future__ import annotations

from dataclasses import dataclass

from airlock.cluster.resources import Ref
from airlock.errors import ConfigError

__all__ = ["Subject"]

_AUTHENTICATED, _ANYONE, _ACCOUNTS = "system:authenticated", "system:unauthenticated", "system:serviceaccounts"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """One subject of RBAC. A user `system:serviceaccount:NS:NAME` is that ServiceAccount.

    Example:
        >>> print(Subject.parse("ServiceAccount pii-raw/driver"), Subject.user("system:serviceaccount:pii-raw:driver"), sep=", ")
        ServiceAccount pii-raw/driver, ServiceAccount pii-raw/driver
    """

    kind: str
    namespace: str
    name: str

    @classmethod
    def user(cls, name: str) -> Subject:
        """A user by name."""
        parts = name.split(":")
        if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:  # noqa: PLR2004
            return cls("ServiceAccount", parts[2], parts[3])
        return cls("User", "", name)

    @classmethod
    def parse(cls, text: str) -> Subject:
        """A subject as flows.yaml writes it: `ServiceAccount NS/NAME`, `User NAME`, `Group NAME`.

        Raises:
            ConfigError: It is none of them.
        """
        kind, _, name = text.strip().partition(" ")
        namespace, slash, account = name.partition("/")
        if kind == "ServiceAccount" and slash and namespace and account:
            return cls(kind, namespace, account)
        if kind == "User" and name:
            return cls.user(name)
        if kind == "Group" and name:
            return cls(kind, "", name)
        raise ConfigError(
            f"subject {text!r}: expected 'ServiceAccount NAMESPACE/NAME', 'User NAME' or 'Group NAME'. Correct it"
        )

    @property
    def ref(self) -> Ref:
        """It as an object."""
        return Ref(self.kind, self.namespace, self.name)

    @property
    def groups(self) -> tuple[Subject, ...]:
        """The groups that it is in for certain, itself not among them. Whom an identity provider puts into which group is not known here."""
        if self.kind == "ServiceAccount":
            names = [_ACCOUNTS, f"{_ACCOUNTS}:{self.namespace}", _AUTHENTICATED]
        elif self.kind == "Group" and self.name.startswith(f"{_ACCOUNTS}:"):
            names = [_ACCOUNTS, _AUTHENTICATED]
        elif self.name in (_AUTHENTICATED, _ANYONE, "system:anonymous"):
            names = [_ANYONE] if self.name == "system:anonymous" else []
        else:
            names = [_AUTHENTICATED]
        return tuple(Subject("Group", "", name) for name in names)

    def is_in(self, namespaces: frozenset[str]) -> bool:
        """Whether it is, or has among its members, a ServiceAccount of one of these namespaces, or anyone at all."""
        if self.kind == "ServiceAccount":
            return self.namespace in namespaces
        if self.kind == "User":
            return self.name == "system:anonymous"
        group, _, namespace = self.name.partition(f"{_ACCOUNTS}:")
        return namespace in namespaces if not group and namespace else self.name in (_ACCOUNTS, _AUTHENTICATED, _ANYONE)

    def __str__(self) -> str:
        return str(self.ref)
