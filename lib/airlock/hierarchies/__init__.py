"""Generalization trees as data: for operators, and for what measures privacy over them."""
