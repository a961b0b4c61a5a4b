"""Airflow's side of Airlock: one DAG for each policy file. It starts the inner door and watches the outer one; README.md says how."""
