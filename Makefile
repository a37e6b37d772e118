# Everything one does with a checkout. `make help` lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

PYTHON := .venv/bin/python
LAUNCH := $(PYTHON) -m config.launch
# Stopping and asking need no package, and should work when .venv is gone.
ASK = $(or $(wildcard $(PYTHON)),python3) -m config.launch
# For checks that start Django without any server. The secrets are for this one call.
random = $(shell head -c 36 /dev/urandom | base64 | tr -d '+/=')
OFFLINE = env DATABASE_URL=postgresql://nobody@127.0.0.1:1/none CACHE_URL=redis://127.0.0.1:1/0 \
	BROKER_URL=amqp://127.0.0.1:1/none OIDC_ISSUER=http://127.0.0.1:1/realms/none SITE_URL=https://example.org \
	SECRET_KEY=$(random)$(random) OIDC_CLIENT_SECRET=$(random) OIDC_ADMIN_CLIENT_SECRET=$(random) \
	TRUSTED_PROXIES=127.0.0.1/32

# Licences that would bind whoever ships Taskmill (the LGPL of psycopg does not: it is linked at run time).
REFUSED_LICENCES = GNU General Public License v2 (GPLv2);GNU General Public License v3 (GPLv3);GPL-2.0-only;GPL-3.0-only;GPL-3.0-or-later;GNU Affero General Public License v3;AGPL-3.0-only;AGPL-3.0-or-later;UNKNOWN

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install install-dev
install:
	@python3 config/launch/bootstrap.py
install-dev:
	@python3 config/launch/bootstrap.py --dev

.PHONY: run
run: install ## start everything embedded, without root or Docker; Ctrl-C stops it
	@$(LAUNCH) run

.PHONY: stack stack-up stack-down stack-install
stack: install ## start the real servers and stay; Ctrl-C stops them
	@$(LAUNCH) stack
stack-up: install ## start the real servers in the background
	@$(LAUNCH) stack-up
stack-down: ## stop what stack-up started; the data stays
	@$(ASK) stack-down
stack-install: install ## install the servers' programs (stack and stack-up do it when needed)
	@$(LAUNCH) stack-install

.PHONY: status token
status: ## what runs: parts, process ids, addresses
	@$(ASK) status
# USER is also the name of the login account: only `make token USER=alice` counts.
token: ## print an access token of what runs: make token USER=alice|bob|vera|ada|nobody|service
	@$(ASK) token $(if $(filter command line,$(origin USER)),$(USER),alice)

.PHONY: test test-fast
test: install-dev ## run all tests, on the real servers (started and stopped for it unless they run)
	@$(LAUNCH) stack-install chromium wrk
	@# Thousands of tasks pass through the stack, so its limits are wide; the tests of limits set their own.
	@RATE_LIMIT_USER=100000/m RATE_LIMIT_IP=100000/m $(LAUNCH) with-stack env -u RATE_LIMIT_USER -u RATE_LIMIT_IP $(PYTHON) -m tests $(ARGS)
test-fast: install-dev ## run the tests that need no server, in under a minute
	@$(PYTHON) -m pytest -n 2 -m "not stack and not embedded and not browser and not process and not install" $(ARGS)

.PHONY: faults
FAULT_PAIRS ?= 10000
faults: install-dev ## run the drills that stop, freeze and delay real parts at length: FAULT_PAIRS=10000
	@FAULT_PAIRS=$(FAULT_PAIRS) RATE_LIMIT_USER=1000000/m RATE_LIMIT_IP=100000/m $(LAUNCH) with-stack \
		env -u RATE_LIMIT_USER -u RATE_LIMIT_IP LOG_LEVEL=WARNING $(PYTHON) -m pytest tests/faults -rP --show-capture=stdout $(ARGS)

.PHONY: bench
bench: install-dev ## measure a system of its own with wrk: BENCH_TASKS=100000, REFERENCE=<folder> to compare
	@$(PYTHON) -m tests.load

.PHONY: test-contract
EXAMPLES ?= 50
test-contract: install-dev ## try the OpenAPI document and random lives of tasks more deeply: make test-contract EXAMPLES=200
	@CONTRACT_EXAMPLES=$(EXAMPLES) CONTRACT_RUNS=$(EXAMPLES)0 RATE_LIMIT_USER=100000/m RATE_LIMIT_IP=100000/m \
		$(LAUNCH) with-stack env -u RATE_LIMIT_USER -u RATE_LIMIT_IP $(PYTHON) -m pytest tests/contract $(ARGS)

.PHONY: check
check: install-dev ## lint, types, imports, migrations, settings, OpenAPI document and what would break its clients, links of the docs, licences
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(OFFLINE) $(PYTHON) -m mypy .
	@.venv/bin/lint-imports --no-cache
	@$(OFFLINE) $(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	@$(OFFLINE) DJANGO_SETTINGS_MODULE=tests.rollout.settings LOG_LEVEL=WARNING $(PYTHON) -m tests.lint_migrations
	@$(OFFLINE) $(PYTHON) manage.py check --deploy --fail-level WARNING
	@$(OFFLINE) $(PYTHON) manage.py openapi --check
	@$(PYTHON) docs/check.py
	@$(PYTHON) -m piplicenses --from=mixed --ignore-packages taskmill --fail-on "$(REFUSED_LICENCES)" > /dev/null

.PHONY: lock
lock: ## lock the requirements again, with hashes
	@for name in base run dev; do \
		uv pip compile --quiet --generate-hashes --python-version 3.11 --no-emit-index-url \
			requirements/$$name.in -o requirements/$$name.txt || exit 1; \
	done

.PHONY: clean
clean: ## remove the local systems' data and all caches of the checkout; .venv stays
	@$(ASK) clean
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .artifacts .cache
	@find . -path ./.venv -prune -o -name __pycache__ -type d -print0 | xargs -0 rm -rf
