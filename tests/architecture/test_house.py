"""The house's rules as tests: what may stand where, sizes, light imports, docstrings that are contracts."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airlock.errors import AirlockError, all_errors
from airlock.gate.checks import CHECKS
from airlock.operators import operator_class, operator_names

LIB = Path(__file__).parents[2] / "lib" / "airlock"
MODULES = sorted(LIB.rglob("*.py"))

ROW_LOOPS = {"to_pylist", "apply", "iterrows", "itertuples"}
"""Banned but where values leave the columns on purpose: the text rooms and the gate's candidates."""
ADAPTERS = ("text/", "gate/entities.py", "gate/validators.py", "gate/chance.py", "gate/normal.py", "gate/addresses.py", "demo/")
NOT_DATA = (
    "engines/spark.py",
    "testing/",
    "doors/preview.py",
    "cli/",
    "operators/_canonical.py",
    "policy/profile.py",
    "crypto/",
)
"""Here what is listed is not a dataset's rows: numbers of tasks, cases, a preview of five rows, distinct non-ASCII values."""


def trees() -> Iterator[tuple[str, ast.Module, str]]:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        yield str(path.relative_to(LIB)), ast.parse(text), text


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    for name, tree, _ in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                yield name, node


def body_lines(node: ast.FunctionDef) -> int:
    first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
    return (node.end_lineno or 0) - first.lineno + 1


def test_no_row_loops_outside_the_adapters():
    found = [
        f"{name}:{node.lineno} {node.attr}"
        for name, tree, _ in trees()
        if not name.startswith(ADAPTERS + NOT_DATA)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ROW_LOOPS
    ]
    assert found == []


def test_modules_stop_at_400_lines_and_functions_at_50():
    long_modules = [name for name, _, text in trees() if text.count("\n") > 400]
    long_functions = [f"{name}:{node.name}" for name, node in functions() if body_lines(node) > 50]
    assert (long_modules, long_functions) == ([], [])


def test_most_functions_are_short():
    lengths = sorted(body_lines(node) for _, node in functions())
    assert statistics.median(lengths) <= 8
    assert lengths[int(len(lengths) * 0.9)] <= 25


def test_every_module_says_its_role():
    assert [name for name, tree, _ in trees() if not ast.get_docstring(tree)] == []


@pytest.mark.parametrize("name", operator_names())
def test_operators_have_a_guarantee_and_an_example(name):
    text = operator_class(name).__doc__ or ""
    assert "Guarantee:" in text
    assert ">>>" in text


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
def test_checks_have_a_guarantee(check):
    assert "Guarantee:" in (check.__doc__ or "")


def test_error_codes_are_unique_and_explained():
    def classes(root: type[AirlockError]) -> list[type[AirlockError]]:
        return [root, *(found for child in root.__subclasses__() for found in classes(child))]

    own = [kind for kind in classes(AirlockError) if kind.__module__ == "airlock.errors"]
    assert len({kind.code for kind in own}) == len(own)
    assert all(kind.__doc__ and kind.remedy and kind.actor and kind.exit_code in (1, 2, 3, 75) for kind in own)
    assert set(all_errors()) >= {kind.code for kind in own}


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("airlock", ("pyarrow", "pydantic", "numpy")),
        ("airlock.errors", ("pyarrow", "pydantic", "numpy")),
        # What Airflow reads again and again.
        ("airlock.policy.heading", ("pyarrow", "pydantic", "numpy")),
        # securesystemslib loads boto3 by itself where it is installed: not ours to keep out.
        *(
            (f"airlock.cli.{part}", ("pyspark", "presidio_analyzer", "spacy", "faker", "kubernetes"))
            for part in ("_main", "look", "run", "runs", "keys", "isolation", "manage")
        ),
        ("airlock.cli.isolation", ("pyarrow", "numpy", "pandas", "boto3")),
        (
            "airlock.doors.release",
            ("pyspark", "presidio_analyzer", "spacy", "airlock.operators", "airlock.engines", "airlock.text"),
        ),
        ("airlock.doors.verify", ("pyspark", "presidio_analyzer", "airlock.operators", "airlock.plan")),
        ("airlock.engines.task", ("pyspark", "presidio_analyzer", "spacy")),
    ],
)
def test_imports_stay_light(module, unwanted):
    code = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nothing_says_where_it_was_made():
    top = LIB.parents[1]
    files = [
        path
        for folder in ("lib", "jobs", "airflow_dags", "tests", ".ci")
        for path in (top / folder).rglob("*")
        if path.is_file() and path.suffix in {".py", ".yaml", ".toml", ".md", ""} and path != Path(__file__)
    ]
    # Spelt apart, so that this file is not its own finding.
    words = ["/ro" + "ot/", "/wo" + "rk/", "pypi" + ".org", "index" + "-url"]
    found = [
        f"{path.name}: {word}" for path in files for word in words if word in path.read_text(encoding="utf-8", errors="ignore")
    ]
    assert found == []


def test_every_operator_is_kept_apart_from_the_others():
    contracts = tomllib.loads((LIB.parents[1] / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [apart] = [one["modules"] for one in contracts if one["name"] == "operators do not see each other"]
    assert apart == sorted(f"airlock.operators.{file.stem}" for file in (LIB / "operators").glob("[!_]*.py"))
