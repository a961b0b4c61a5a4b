"""Realistic values that are nobody's: the pools that operator `surrogate` takes them from and the gate judges them by. Pure data."""

from airlock.policy.pools._forms import GENDERED, KINDS, LOCALES, Form, Joined, Kind, Part, form, parts, possible
from airlock.policy.pools._words import demand_same_lists, installed

__all__ = [
    "GENDERED",
    "KINDS",
    "LOCALES",
    "Form",
    "Joined",
    "Kind",
    "Part",
    "demand_same_lists",
    "form",
    "installed",
    "parts",
    "possible",
]
