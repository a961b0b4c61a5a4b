"""For authors of operators: the laws every operator keeps, and cases as data, for Airlock's own tests and for those of others."""

from airlock.testing.cases import Case, check_case, read_cases
from airlock.testing.laws import LAWS, Trial, check_laws, unsafe_subkeys

__all__ = ["LAWS", "Case", "Trial", "check_case", "check_laws", "read_cases", "unsafe_subkeys"]
