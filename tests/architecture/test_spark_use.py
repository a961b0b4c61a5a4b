"""Spark is used through data frames alone: no RDD, nothing of the JVM's insides, so that it works under any master and server."""

from __future__ import annotations

import ast
from pathlib import Path

TOP = Path(__file__).parents[2]
INSIDES = {
    "_jvm",
    "_jsc",
    "_jdf",
    "_jsparkSession",
    "_gateway",
    "_sc",
    "sparkContext",
    "rdd",
    "toDF",
    "parallelize",
    "SparkContext",
}
MODULES = {"pyspark.rdd", "pyspark.context", "pyspark.java_gateway", "py4j.java_gateway"}
HOME = "lib/airlock/engines/spark.py"


def used(tree: ast.AST) -> list[str]:
    """Names and modules of Spark's insides that a module uses."""
    names = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    return sorted({name for name in names if name in INSIDES} | (imported(tree) & MODULES))


def imported(tree: ast.AST) -> set[str]:
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return found | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def modules():
    files = [*(TOP / "lib").rglob("*.py"), *(TOP / "jobs").rglob("*.py")]
    return {file.relative_to(TOP).as_posix(): ast.parse(file.read_text(encoding="utf-8")) for file in files}


def test_no_rdd_and_no_jvm():
    assert {name: used(tree) for name, tree in modules().items() if used(tree)} == {}


def test_spark_and_its_bridge_have_one_home():
    found = {
        name for name, tree in modules().items() if {one.partition(".")[0] for one in imported(tree)} & {"pyspark", "py4j"}
    }
    assert found == {HOME}


def test_what_is_forbidden_is_seen():
    code = "from pyspark import SparkContext\nimport pyspark.rdd\nspark.sparkContext.parallelize([1])\nframe.rdd.map(f)\nframe._jdf\n"
    assert used(ast.parse(code)) == ["SparkContext", "_jdf", "parallelize", "pyspark.rdd", "rdd", "sparkContext"]
