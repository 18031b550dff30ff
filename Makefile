# `make` lists the tasks. `make serve` and `make test` work on a fresh machine with Python 3.11 or newer.
PORT ?= 8080
DATA ?= data
VENV := .venv
PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check
NO_NETWORK := echo "make: the packages could not be installed; the lines above say why. Without access to PyPI, name a mirror: PIP_INDEX_URL=… make" >&2
SOURCES := fhir_server interfaces mappings terminology profiles tests
UV := uv==0.13.9

# Without its compiled modules the server needs a second more to start, and every test that starts one.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve demo load test test-distributed test-keycloak test-engines audit lint format bench lock definitions docs clean

help: ## List the tasks
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

serve: $(VENV)/.runtime ## Start the server: PORT=8080 DATA=./data
	@exec $(PY) -m fhir_server.cli serve --port "$(PORT)" --data "$(DATA)"

demo: $(VENV)/.runtime ## Tell a visit on a server with 28 patients: PORT=8080 DATA=./data/demo
	@! $(ANSWERS) || { echo "make: a server answers at port $(PORT) already; end it, or name another port: make demo PORT=8090" >&2; exit 1; }
	@(until $(ANSWERS); do kill -0 $$$$ 2>/dev/null || exit; sleep 1; done; \
	  exec $(PY) -m fhir_server.cli story --server "http://127.0.0.1:$(PORT)" --mllp 127.0.0.1:2575 --dicom 127.0.0.1:11112) & \
	exec $(PY) -m fhir_server.cli serve --port "$(PORT)" --data "$(DATA)/demo" --samples --subsystems analytics,billing,workforce \
	  --hl7-port 2575 --dicom true --dicom-study-pause-seconds 1

ANSWERS = $(PY) -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$(PORT)/health/ready')" 2>/dev/null

load: $(VENV)/.runtime ## Load the sample patients into the server at PORT=8080
	@$(PY) -m fhir_server.cli load --samples --server "http://127.0.0.1:$(PORT)/fhir"

# The files that take longest are in tests/system, which comes early: no processor waits for one of them at the end.
test: $(VENV)/.dev ## Run all tests, a file on each processor at a time: ARGS="-k name" for some
	@$(PY) -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-distributed: $(VENV)/.dev ## Run the distributed engine's tests on services that it starts
	@$(PY) -m tests.backends pytest --engines distributed $(or $(ARGS),$(DISTRIBUTED))

test-keycloak: $(VENV)/.dev ## Run the tests of sign-in by a real Keycloak, which it starts
	@KEYCLOAK=start $(PY) -m pytest tests/keycloak $(ARGS)

test-engines: $(VENV)/.engines ## Run the tests of ClickHouse and Spark on the lake, which it installs
	@$(PY) -m pytest tests/unit/subsystems/analytics/test_engines.py -rs $(ARGS)

# What both engines must do the same, by the store itself and by HTTP (`make test` has it on the embedded one), and what
# only the distributed one has.
DISTRIBUTED := tests/contract tests/distributed tests/unit/storage/elastic \
	$(addprefix tests/system/test_,$(addsuffix .py,bad_input beside capabilities clients concurrency conditional custom_parameters \
	deidentify export history import made_up_requests operations page profiles provenance read_and_write search search_answers synthea \
	terminology transaction views workers)) \
	$(addprefix tests/system/security/test_,$(addsuffix .py,committed_events launch scopes))

audit: $(VENV)/.dev ## Look for known vulnerabilities of the packages that the server needs
	@$(PY) -m tests.known_vulnerabilities

lint: $(VENV)/.dev ## Check style, types and the layers of imports
	$(PY) -m ruff check $(SOURCES)
	$(PY) -m ruff format --check $(SOURCES)
	$(VENV)/bin/lint-imports
	$(PY) -m pyright

format: $(VENV)/.dev ## Put the code in the project's style
	$(PY) -m ruff check --fix-only $(SOURCES)
	$(PY) -m ruff format $(SOURCES)

bench: $(VENV)/.dev ## Measure the server: ARGS="--help" for what and how
	@$(PY) -m tests.bench $(ARGS)

lock: $(VENV)/.dev ## Renew the lock files from pyproject.toml
	$(INSTALL) $(UV)
	$(VENV)/bin/uv pip compile $(LOCKING) --extra build --output-file requirements.lock pyproject.toml
	$(VENV)/bin/uv pip compile $(LOCKING) --extra build --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml
	$(VENV)/bin/uv pip compile $(LOCKING) --extra engines --constraint requirements-dev.lock --output-file requirements-engines.lock pyproject.toml

LOCKING := --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock"

definitions: $(VENV)/.runtime ## Compile the R4 definitions to the tables that the server reads
	$(PY) -m fhir_server.definitions.compile

docs: $(VENV)/.runtime ## Renew the pages of docs/reference that are made from the code
	$(PY) -m fhir_server.commands.reference docs/reference
	$(PY) -m fhir_server.search.reference > docs/reference/search.md

clean: ## Remove the environment and what tools left; the data stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. A stamp tells what is installed, so that a second start is immediate.
$(VENV)/.runtime: requirements.lock pyproject.toml | $(VENV)/.made
	@echo "Installing the server's packages …"
	@$(INSTALL) --require-hashes -r requirements.lock || { $(NO_NETWORK); exit 1; }
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@echo "Installing what tests and checks need …"
	@$(INSTALL) --require-hashes -r requirements-dev.lock || { $(NO_NETWORK); exit 1; }
	@touch $@

$(VENV)/.engines: requirements-engines.lock $(VENV)/.dev
	@echo "Installing ClickHouse's engine and Spark, 1.5 GB …"
	@$(INSTALL) --require-hashes -r requirements-engines.lock || { $(NO_NETWORK); exit 1; }
	@touch $@

# PYTHON=… names one; else the first of these that is new enough and built with optimisations (those of a distribution in
# /usr/bin are, one that a version manager compiled seldom is), as others serve a sixth less; else the first new enough. A
# candidate is run, as a shim may stand for nothing.
PYTHONS = $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14 /usr/bin/python3)
OPTIMISED := import ensurepip, sys, sysconfig, venv; \
  sys.exit(sys.base_prefix != "/usr" and "--enable-optimizations" not in str(sysconfig.get_config_var("CONFIG_ARGS")))
$(VENV)/.made:
	@for python in $(PYTHONS); do \
	  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
	  : "$${found:=$$python}"; \
	  $$python -c '$(OPTIMISED)' >/dev/null 2>&1 && found=$$python && break; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "make: this needs Python 3.11 or newer; none of these is: $(PYTHONS)." >&2; \
	  echo "  Debian, Ubuntu: sudo apt install python3.12 python3.12-venv (or 3.11)" >&2; \
	  echo "  Fedora: sudo dnf install python3.12    macOS: brew install python@3.12" >&2; \
	  echo "  or https://www.python.org/downloads; then run make again, PYTHON=/path/to/python3.12 where it is not on the PATH." >&2; \
	  exit 1; \
	fi; \
	if ! $$found -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	  version=$$($$found -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "make: $$found can't make environments: its venv module is not installed." >&2; \
	  echo "  Debian, Ubuntu: sudo apt install python$$version-venv; then run make again." >&2; \
	  exit 1; \
	fi; \
	echo "Making the environment $(VENV) with $$found, $$($$found --version) …"; \
	$$found -m venv --clear $(VENV) && touch $@
