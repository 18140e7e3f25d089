# Everything there is to do with Purser. It needs Python 3.11 or newer with venv and pip, and make.
#
#   make run     serve on this machine: web, worker, beat and a PostgreSQL of its own; Ctrl-C stops all
#   make test    run the tests, on a PostgreSQL of their own
#   make test-browser  do what staff do, in Chromium; on Debian, root need not install it first
#   make pictures  what the console looks like, into var/pictures; those that the documents show, into docs/screenshots too
#   make test-clients  go through the API with clients made of its document; installs them, one of them needs Node 20
#   make bench   measure what the path of a request costs; docs/scale.md says what the lines mean
#   make scale   fill a database with ten thousand customers, and measure every page of the console
#   make check   lint, types, import layers, migrations, OpenAPI, Django's deployment checks
#
# PORT (8000), DATA_DIR (./var), DATABASE_URL and REDIS_URL are taken from the environment.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# Three for two processors: a third of a test is waiting for the database.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadgroup

# What is compiled is kept beside the source: where it is not, each process of a test compiles all of it anew.
unexport PYTHONDONTWRITEBYTECODE

# Settings that a public installation would have.
PRODUCTION := HTTPS=true ALLOWED_HOSTS=purser.example DATABASE_URL=postgres://purser@database/purser \
	SECRET_KEY=`$(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(64))'`

.PHONY: run test test-slow test-clients test-browser pictures check lock scale bench

# One `exec`, and nothing after it: the SIGTERM that stops make then reaches the supervisor too.
run: .venv/requirements.lock
	@exec $(BIN)/python -m config.run

test: .venv/requirements-dev.lock
	@exec $(PYTEST) -m 'not slow' $(ARGS)

# Five is pytest's word for "no such test".
test-slow: .venv/requirements-dev.lock
	$(PYTEST) -m slow $(ARGS) || test $$? -eq 5

# What cannot be installed here is left out, and said.
test-clients: .venv/requirements-dev.lock
	@exec $(BIN)/python -m pytest -n 0 -rs tests/clients/check_clients.py $(ARGS)

# The tasks of a day of the staff, in a browser; at last every page, in a house with a row of everything. Where there is no browser, and none
# can be installed, that is said.
test-browser: .venv/requirements-dev.lock
	@command -v chromium >/dev/null || ! command -v apt-get >/dev/null || test `id -u` != 0 || \
		{ apt-get update -q && apt-get install -q -y chromium; } >/dev/null 2>&1 || true
	@exec $(BIN)/python -m pytest -n 0 -rs tests/browser/check_[!a]*.py tests/browser/check_a*.py $(ARGS)

# Of the demo's world, in light, dark and on a phone.
pictures: .venv/requirements-dev.lock
	@exec $(BIN)/python -m pytest -n 0 -q -rs tests/browser/take_pictures.py $(ARGS)

# Figures for docs/scale.md, on a database of its own that it removes first: every page of the console before ten thousand customers;
# with `ARGS=--renewal` what callers of the API notice of renewals.
ORGANIZATIONS ?= 10000
scale: .venv/requirements-dev.lock
	@DATA_DIR=var/scale exec $(BIN)/python -m tests.scale $(ORGANIZATIONS) $(ARGS)

# What the path of a request costs, beside what bounds it, on a database of its own that it removes afterwards: the figures of
# docs/scale.md. `make bench ARGS='--seconds 2 --only http_pairs_spread'` for a short one, `--help` for what else there is.
bench: .venv/requirements-dev.lock
	@DATA_DIR=var/bench exec $(BIN)/python -m tests.bench $(ARGS)

check: .venv/requirements-dev.lock
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy manage.py config usage credits organizations examples tests
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PRODUCTION) $(BIN)/python manage.py check --deploy --fail-level WARNING

# All locks, from what pyproject.toml (and tests/clients/package.json) asks for; `make lock UPGRADE=--upgrade` takes newer versions.
# They hold for every Python and system that we support, not only for this one, and they carry
# hashes and no addresses, so plain pip installs them from any index or folder.
COMPILE = .venv/lock-tools/bin/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock'

lock:
	$(PYTHON) -m venv .venv/lock-tools
	.venv/lock-tools/bin/python -m pip install --quiet uv
	$(COMPILE) --output-file requirements.lock pyproject.toml
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock \
		pyproject.toml
	$(COMPILE) --group clients --output-file requirements-clients.lock
	@if command -v npm >/dev/null; then \
		cd tests/clients && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund; \
	else echo "Without npm tests/clients/package-lock.json stays as it is."; fi

# A copy of the lock says what is installed: nothing to do until the lock changes.
.venv/%.lock: %.lock
	@echo "Installing $< into .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(INSTALL) -r $<
	@cp $< $@
