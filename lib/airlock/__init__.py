"""Airlock: batch anonymization of datasets full of personal data. Imports nothing, so that a DAG stays light."""

__version__ = "0.1.0"
