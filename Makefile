# `make demo`, `make serve` and `make test` do everything on a machine that has only Python 3.11+ and make.
# `make check` is for people who change the code.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PY := $(VENV)/bin/python
PORT ?= 8000
# google-generativeai pins protobuf below 6; without this hint pip tries thirty releases to find the one that agrees.
HINT := 'grpcio-status<1.72'
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check $(HINT)

.NOTPARALLEL:
.PHONY: demo serve test lint check clean

# The demo costs nothing, even if .env has keys: variables of the environment take precedence.
demo serve: export DAILYCAST_LLM_PROVIDERS = template
demo serve: export DAILYCAST_TTS_PROVIDERS = pico

demo: $(VENV)/.demo
	@$(PY) manage.py migrate --verbosity 0
	@$(PY) manage.py load_academy
	@$(PY) manage.py generate_test_podcast --language en --user alex
	@echo
	@echo "Next: make serve, then open http://127.0.0.1:$(PORT)/ as alex, or /admin/ as admin (password above)."

serve: $(VENV)/.demo
	@$(PY) manage.py runserver 127.0.0.1:$(PORT)

test: $(VENV)/.test
	$(PY) -m pytest -q -n auto --maxprocesses 4

lint: $(VENV)/.dev
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

check: lint test

clean:
	rm -rf $(VENV)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: requirements.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements.txt
	@touch $@

$(VENV)/.test: requirements.txt requirements-test.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements-test.txt
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: requirements.txt requirements-test.txt requirements-dev.txt | $(VENV)/bin/python
	$(INSTALL) -r requirements-dev.txt
	@touch $@ $(VENV)/.test $(VENV)/.demo
