# Every target installs what it needs into .venv first: a fresh clone needs only Python, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := .venv-site
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4
STAMP := $(VENV)/.installed

.PHONY: demo test test-quick test-all coverage lint format bench docs site clean

demo: $(STAMP)
	$(BIN)/signedin demo

test: $(STAMP)
	$(BIN)/python scripts/install_agents.py
	$(BIN)/python scripts/install_browser.py
	$(BIN)/python scripts/install_axio.py
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# For the inner loop: what starts no program, and one agent.
test-quick: $(STAMP)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -k "unit or not 0.169" tests/unit tests/contract/codex/test_turns.py

coverage: $(STAMP)
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --cov --cov-report=term
	@rm -f .coverage.*

test-all: $(STAMP)
	$(BIN)/python scripts/install_agents.py
	$(BIN)/python scripts/install_browser.py
	$(BIN)/python scripts/install_axio.py
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m ""

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python scripts/install_agents.py claude gemini
	$(BIN)/python -m benchmarks

docs: $(STAMP)
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/python scripts/generate_blocking.py

# In an environment of its own: nothing else needs the tool.
site:
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(SITE)/bin/python -m pip install --quiet --group site
	$(SITE)/bin/zensical build --clean --strict

clean:
	rm -rf $(VENV) $(SITE) .agents build dist

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[cli,codex,claude,chatgpt,tools,schema,loopback,policy,batch,zstd]" --group dev --group integrations
	touch $(STAMP)
