# `make serve` starts a server on an example application; `make test` runs every test. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find crates python -name '*.rs' -o -name '*.py' -o -name '*.toml' -o -name '*.tsv' -o -name '*.pyi' -o -name '*.md') Cargo.toml Cargo.lock pyproject.toml

.PHONY: serve test build check autobahn clean web-servers

serve: build
	$(BIN)/penstock gunicorn --chdir examples hello:app

build: $(VENV)/.built

$(VENV)/.tools: tests/requirements.txt
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check 'maturin>=1.9,<2'
	touch $@

$(VENV)/.test-tools: tests/requirements.txt $(VENV)/.tools
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement tests/requirements.txt
	touch $@

$(VENV)/.built: $(VENV)/.tools $(SOURCES)
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop --release --quiet
	touch $@

# The real uWSGI that tests/test_beside_uwsgi.py compares with, in an environment of its own: its uwsgidecorators would stand in
# the way of ours. It is built from source, so where that cannot be done its tests are skipped.
$(VENV)/uwsgi/.built: tests/requirements-uwsgi.txt $(VENV)/.tools
	@$(BIN)/python -m venv $(VENV)/uwsgi
	@if $(VENV)/uwsgi/bin/pip install --disable-pip-version-check --requirement $< >$(VENV)/uwsgi/build.log 2>&1; then :; \
	else echo "tests/test_beside_uwsgi.py is skipped: uWSGI could not be built, see $(VENV)/uwsgi/build.log"; fi
	@touch $@

# The tests with real servers in front and behind need nginx, Apache and Redis: installed where that is allowed, named otherwise.
WEB_SERVERS := nginx apache2 libapache2-mod-proxy-uwsgi libapache2-mod-fcgid spawn-fcgi redis-server

web-servers:
	@if PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null && [ -e /usr/lib/apache2/modules/mod_proxy_uwsgi.so ] \
  && [ -e /usr/lib/apache2/modules/mod_fcgid.so ] && command -v spawn-fcgi >/dev/null \
  && command -v redis-server >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && { apt-get update -qq; DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq $(WEB_SERVERS); } >/dev/null 2>&1; then :; \
	else echo "tests/test_gateways.py, tests/test_programs.py or tests/test_uwsgi_redis.py are skipped: install $(WEB_SERVERS)"; fi

# The pytests of several files run side by side, since most of them wait. Where others keep the processors busy a wait may run
# out: a failure is tried once more, and the summary names it.
test: check build web-servers $(VENV)/.test-tools $(VENV)/uwsgi/.built
	if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace --exclude penstock-interpreter; \
	else cargo test --workspace --exclude penstock-interpreter; fi
	$(BIN)/python -m pytest tests -rfEsR --reruns 1 -n auto --dist loadfile

# The Autobahn fuzzing client against a release build; about ten minutes. Skipped where there is no Python 2.7.
autobahn: build $(VENV)/.test-tools
	$(BIN)/python tests/autobahn/run.py

check: $(VENV)/.test-tools
	cargo fmt --check
	cargo clippy --workspace --all-targets -- -D warnings
	$(BIN)/ruff check python tests examples
	$(BIN)/mypy

clean:
	git clean -xfd
