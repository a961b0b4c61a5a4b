"""The one file that Airflow parses: a DAG for each policy of the folder that `[airlock] policies` names. Loads no library that reads data."""

from __future__ import annotations

import warnings

from airflow.sdk import get_parsing_context

from airflow_dags.factory import dag_id_of, make_dag
from airflow_dags.settings import load_site
from airlock.errors import AirlockError
from airlock.policy.files import policy_files
from airlock.policy.heading import read_heading

_site = load_site()
# A worker that runs one task needs that task's DAG alone.
_wanted = get_parsing_context().dag_id

for _policy in policy_files(_site.policies):
    try:
        _heading = read_heading(_policy)
    except AirlockError as error:
        # No other dataset's business; Airflow shows warnings of a file beside its import errors.
        warnings.warn(f"no DAG for '{_policy.name}': {error}", stacklevel=1)
        continue
    if _wanted in (None, dag_id_of(_heading.dataset)):
        globals()[dag_id_of(_heading.dataset)] = make_dag(_policy, _heading, _site)
