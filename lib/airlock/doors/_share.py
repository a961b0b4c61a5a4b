"""A share of a staged run's files, checked and written anew where no reader sees it. `release` takes all of them, a shard its part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from airlock.doors._inspect import InspectionJob, Written, inspect_all
from airlock.doors._offered import Offered
from airlock.doors.progress import Progress, Watcher
from airlock.errors import ConfigError
from airlock.gate.inspect import FilePartial
from airlock.gate.partials import collapse
from airlock.gate.rules import GateRules
from airlock.settings import Settings
from airlock.storage import Store

__all__ = ["WHOLE", "Shard", "Share", "Work", "check_share"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of several equal parts of the work.

    Attributes:
        number: From 0, as Kubernetes counts the pods of an Indexed Job.
    """

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From `I/N`.

        Raises:
            ConfigError: It is something else.

        Example:
            >>> Shard.parse("0/3")
            Shard(number=0, of=3)
        """
        number, _, of = text.partition("/")
        if not (number.isascii() and of.isascii() and number.isdecimal() and of.isdecimal() and int(number) < int(of)):
            raise ConfigError(
                f"--shard takes I/N with I from 0 to N-1, such as 0/3, found '{text}'. $JOB_COMPLETION_INDEX is such an I"
            )
        return cls(int(number), int(of))

    def of_all(self, items: Sequence[T]) -> Sequence[T]:
        """Its part of the work: every N-th.

        Example:
            >>> Shard(1, 3).of_all("abcde")
            'be'
        """
        return items[self.number :: self.of]

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


WHOLE = Shard(0, 1)


@dataclass(frozen=True, slots=True)
class Work:
    """A staged run, and what it is checked by.

    Attributes:
        sanitized: The zone; `staging` too.
    """

    offered: Offered
    rules: GateRules
    staging: Store
    sanitized: Store
    settings: Settings
    watcher: Watcher


@dataclass(frozen=True, slots=True)
class Share:
    """What the checks counted, and what was written."""

    partials: tuple[FilePartial, ...]
    written: tuple[Written, ...]


def check_share(work: Work, shard: Shard, folder: str) -> Share:
    """Inspect a shard's files and write them anew below `folder` of zone `sanitized`.

    Raises:
        IntegrityError, DisclosureError: What a worker refuses by itself.
        TransientError: A worker was killed, or a store did not answer.
    """
    jobs = shard.of_all(_jobs(work, folder))
    partials: list[FilePartial] = []
    written: list[Written] = []
    for done, inspected in enumerate(inspect_all(jobs, workers=work.settings.number("workers")), start=1):
        partials = collapse([*partials, inspected.partial])
        written.extend(inspected.written)
        work.watcher(Progress(work.offered.policy.dataset, "check", done, len(jobs)))
    return Share(tuple(partials), tuple(sorted(written)))


def _jobs(work: Work, folder: str) -> list[InspectionJob]:
    """One for each staged file, in the order of their keyed names, whose places are the numbers of the published parts."""
    files = sorted(work.offered.manifest.outputs, key=lambda file: file.path)
    return [
        InspectionJob(
            staging=work.staging,
            sanitized=work.sanitized,
            base=work.offered.base,
            file=file,
            number=number,
            folder=folder,
            rules=work.rules,
        )
        for number, file in enumerate(files)
    ]
