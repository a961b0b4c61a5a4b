"""Generalization trees as data, for operators."""
