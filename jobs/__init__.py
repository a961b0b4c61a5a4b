"""Spark entry points for spark-submit: arguments -> one door -> exit code."""
