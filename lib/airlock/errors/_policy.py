"""The policy or the command is wrong: nothing was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from airlock.errors._base import Actor, AirlockError

__all__ = [
    "ConfigError",
    "MissingCapabilityError",
    "NotFoundError",
    "OperatorTypeError",
    "PolicyError",
    "PolicyFileError",
    "Problem",
    "WeakStoreError",
]


class PolicyError(AirlockError):
    """The policy, the configuration or the command can't be carried out as written."""

    code = "policy-invalid"
    exit_code = 2
    actor: ClassVar[Actor] = "policy owner"
    remedy = "Mend the named lines; 'airlock plan POLICY' checks them against a sample and writes nothing."


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One fault of a policy file: where (`file:line:column`, 1-based; 0 where unknown) and what, with the next step.

    Attributes:
        code: Of the error that explains it ('airlock explain CODE'); empty where the message says all.
    """

    file: str
    line: int
    column: int
    message: str
    code: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f" [{self.code}]" if self.code else "")


class PolicyFileError(PolicyError):
    """A policy file has faults; all of them are named at once."""

    code = "policy-file"

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(set(problems))
        count = len(self.problems)
        head = f"{count} problem{'s' if count > 1 else ''} in the policy:"
        codes = sorted({problem.code for problem in self.problems if problem.code})
        super().__init__("\n".join([head, *map(str, self.problems)]), problems=count, codes=codes)


class OperatorTypeError(PolicyError):
    """An operator was given a column of a type that it does not take."""

    code = "operator-type"
    remedy = "Choose an operator for this type ('airlock operators' lists them), or correct `type`."


class ConfigError(PolicyError):
    """airlock.yaml, a flag or an AIRLOCK_* variable is missing or wrong."""

    code = "config-invalid"
    actor: ClassVar[Actor] = "platform team"
    remedy = "'airlock config' prints every setting with its origin; 'airlock doctor' checks them."


class WeakStoreError(ConfigError):
    """An object store lets several writers win where one must: what is current would be whoever wrote last."""

    code = "store-conditions"
    remedy = (
        "Put the zone into a store that enforces conditional writes (If-None-Match, If-Match); 'airlock doctor' tries them."
    )


class MissingCapabilityError(PolicyError):
    """The policy asks for something that nothing installed can do."""

    code = "capability-missing"
    actor: ClassVar[Actor] = "platform team"
    remedy = "Install the named extra, or take the request out of the policy."


class NotFoundError(PolicyError):
    """A named thing does not exist: a dataset, a release, a run, a file."""

    code = "not-found"
    remedy = "Check the name, and the folder that you are in."
