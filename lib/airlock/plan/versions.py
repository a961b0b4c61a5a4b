"""Versions of what shapes the output's bytes: part of the plan's digest, and told in the manifest. Called by `compile`."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import version

import cryptography
import numpy as np
import pyarrow as pa

from airlock import __version__
from airlock.operators import Operator

__all__ = ["code_versions"]


def code_versions(operators: Iterable[Operator]) -> dict[str, str]:
    """By name of the package: what every operator uses, and what these say they use (`Operator.distributions`).

    Example:
        >>> sorted(code_versions([]))
        ['airlock', 'cryptography', 'numpy', 'pyarrow', 'python']
    """
    made = {
        "airlock": __version__,
        "cryptography": cryptography.__version__,
        "numpy": np.__version__,
        "pyarrow": pa.__version__,
        "python": platform.python_version(),
    }
    return made | {name: version(name) for operator in operators for name in operator.distributions}
