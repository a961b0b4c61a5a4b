# One command each: everything a fresh machine needs is installed by them (what apt-get must bring, 'airlock doctor' names).
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
DEMO := build/demo
ROWS ?= 20000

.PHONY: setup demo demo-s3 test lint types unit test-cluster test-cluster-full bench bench-cluster lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: constraints.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

demo: setup
	rm -rf $(DEMO)
	$(BIN)/airlock demo --rows $(ROWS) --folder $(DEMO)
	$(BIN)/airlock run $(DEMO)/policies --config $(DEMO)/airlock.yaml
	$(BIN)/airlock verify $(DEMO)/sanitized --config $(DEMO)/airlock.yaml
	@echo
	@echo "Raw tables:       $(DEMO)/raw         (in life: readable by the inner door alone)"
	@echo "Sanitized tables: $(DEMO)/sanitized   (what other teams get)"
	@echo "Read one:         $(BIN)/airlock path $(DEMO)/sanitized/customers --config $(DEMO)/airlock.yaml"

# Go 1.25 compiles the S3 server, once. KEEP=1 serves on until Ctrl-C.
demo-s3: setup
	rm -rf $(DEMO)-s3
	$(BIN)/python -m tests.servers.demo --rows $(ROWS) --folder $(DEMO)-s3 $(if $(KEEP),--keep)

test: lint unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports

# Every test and doctest, with branch coverage of the whole; what is about pauses and leases runs alone, after the others. Ten thousand random
# clusters cover no line more than ten do: they are not measured, which saves minutes.
unit: setup
	$(BIN)/python -m pytest -n 2 --dist worksteal -q tests/cluster
	$(BIN)/python -m pytest -n 2 --dist worksteal -q --cov --cov-report= --ignore=tests/cluster --ignore=tests/e2e/test_race.py
	$(BIN)/python -m pytest -q --cov --cov-append --cov-report=term:skip-covered --cov-fail-under=90 tests/e2e/test_race.py

# On the cluster that KUBECONFIG names: its zones are made and deleted. Whatever is missing fails, and is named.
test-cluster bench-cluster: export AIRLOCK_REQUIRE ?= airflow,cluster,cluster_image,cluster_site_images,kustomize,spark_crd$(MORE)
test-cluster: setup
	@test -n "$$KUBECONFIG" && test -n "$$AIRLOCK_TRIAL_IMAGE" || { echo "test-cluster needs KUBECONFIG, of a cluster without zones whose network enforces NetworkPolicies,"; \
	  echo "AIRLOCK_TRIAL_IMAGE, AIRLOCK_TRIAL_OUTER_IMAGE and AIRLOCK_TRIAL_STORE_IMAGE=NAME@sha256:..., images that it can start, and kubectl:"; \
	  echo "see k8s/README.md"; exit 2; }
	$(BIN)/python -m pytest -q -rs tests/cluster/test_live_*.py

# The same with 200 sets of policies instead of 20, each tried by packets, and with every fault in the middle of a run instead of three.
test-cluster-full: export AIRLOCK_PACKET_SETS = 200
test-cluster-full: export AIRLOCK_ALL_FAULTS = 1
test-cluster-full: MORE = ,spark_operator
test-cluster-full: test-cluster

# What a run costs on that cluster.
bench-cluster: setup
	$(BIN)/python -m pytest -q -s tests/cluster/bench_jobs.py

bench: setup
	mkdir -p build/bench
	$(BIN)/python tests/bench/run.py --json build/bench/results.json

LOCK := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --no-annotate --no-emit-find-links --python-version 3.11
PARTS := --no-strip-extras --extra spark --extra text --extra s3 --extra surrogates --extra vault --extra aws --extra cluster pyproject.toml

lock: setup
	$(LOCK) --upgrade $(PARTS) --extra dev -o constraints.txt
	$(LOCK) --constraints constraints.txt $(PARTS) -o k8s/image/inner.txt
	$(LOCK) --constraints constraints.txt --extra s3 --extra aws --extra cluster pyproject.toml -o k8s/image/outer.txt
	$(LOCK) --upgrade --constraints constraints.txt --no-strip-extras --extra airflow --extra s3 pyproject.toml -o airflow_dags/requirements.txt
	printf 'hatchling\nsetuptools\nwheel\n' | $(LOCK) --constraints constraints.txt - -o k8s/image/build.txt

clean:
	rm -rf build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage*
