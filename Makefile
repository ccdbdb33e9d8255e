# Every target installs what it needs into .venv first: a fresh clone needs only Python, git and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := .venv-site
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4
DEMO_STAMP := $(VENV)/.demo
STAMP := $(VENV)/.installed
SITE_STAMP := $(SITE)/.installed
TOOLS := build/tools
CONSTRAINTS := --constraint constraints.txt

.PHONY: demo test test-quick test-all costs coverage lint format bench docs pictures lock newest-agents \
	test-lowest release site clean

demo: $(DEMO_STAMP)
	$(BIN)/signedin demo

test: $(STAMP) .live-agents
	@echo "Every promise once, live; everything else replayed: a quarter of an hour on 2 cores, offline."
	@echo "What is skipped is counted at the end for each reason, such as an agent that npm could not install."
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# The same, and tests/costs.toml.
costs: $(STAMP) .live-agents
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) --write-costs

# For the inner loop: what starts no program, and one agent.
test-quick: $(STAMP)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -k "unit or not 0.169" tests/unit tests/contract/codex/test_turns.py

# Of `make test`; with ALL=1 of `make test-all`.
coverage: $(STAMP) $(if $(ALL),.all-agents $(SITE_STAMP),.live-agents)
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(if $(ALL),-m "") --cov --cov-report=term
	@rm -f .coverage.*

test-all: $(STAMP) $(SITE_STAMP) .all-agents
	@echo "Every pair live, also load, kills, browsers and wheels: three quarters of an hour on 2 cores."
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m ""

.PHONY: .live-agents .all-agents
.live-agents: $(STAMP)
	@echo "The newest Gemini CLI and Qwen Code of npm into .agents, once: 155 MB, less than a minute."
	$(BIN)/python scripts/install_agents.py --newest claude gemini qwen

.all-agents: $(STAMP)
	@echo "All agents of npm, Chromium and axio, once: 1.9 GB, two minutes."
	$(BIN)/python scripts/install_agents.py
	$(BIN)/python scripts/install_browser.py
	$(BIN)/python scripts/install_axio.py

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
	$(BIN)/python scripts/import_graph.py --draw

# With the real Codex, of a turn against a scripted model.
pictures: $(STAMP)
	$(BIN)/python scripts/make_pictures.py

# The newest of everything that is installed from PyPI, for all Pythons and systems.
lock: $(TOOLS)
	$(TOOLS)/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate --no-header \
		--all-extras --group dev --group integrations --group site --group release \
		--output-file constraints.txt pyproject.toml

newest-agents: $(STAMP)
	$(BIN)/python scripts/use_newest_agents.py

# What starts no program, with the oldest libraries that pyproject.toml allows.
test-lowest: $(TOOLS)
	$(TOOLS)/bin/uv pip compile --quiet --no-annotate --resolution lowest-direct --python-version 3.11 \
		--all-extras --output-file build/lowest.txt pyproject.toml
	$(TOOLS)/bin/uv venv --quiet --clear --python 3.11 build/lowest
	$(TOOLS)/bin/uv pip install --quiet --python build/lowest --constraint build/lowest.txt \
		--editable ".[all,llm,notebook,pydantic-ai]" --group dev opentelemetry-sdk
	build/lowest/bin/python -m pytest $(SIDE_BY_SIDE) tests/unit

# All of a release but the upload: make release, or make release TAG=v0.1.0 for that of a tag.
release: $(TOOLS)
	$(TOOLS)/bin/python scripts/check_release.py $(TAG)

$(TOOLS): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear --upgrade-deps $@
	$@/bin/python -m pip install --quiet $(CONSTRAINTS) --group release
	touch $@

site: $(SITE_STAMP)
	$(SITE)/bin/zensical build --clean --strict
	$(SITE)/bin/python scripts/check_site.py

clean:
	rm -rf $(VENV) $(SITE) .agents build dist

$(DEMO_STAMP): pyproject.toml constraints.txt
	@echo "What the demonstration needs into .venv, once: 440 MB, half a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) --editable ".[cli,codex,loopback]"
	touch $@

$(STAMP): pyproject.toml constraints.txt
	@echo "What tests and checks need into .venv, once: 1.3 GB, of it Codex and Claude Code 750 MB; a minute."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet $(CONSTRAINTS) --editable ".[cli,codex,claude,chatgpt,tools,schema,loopback,policy,batch,zstd]" --group dev --group integrations
	touch $@ $(DEMO_STAMP)

# In an environment of its own: nothing else needs the tool.
$(SITE_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(SITE)
	$(SITE)/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(SITE)/bin/python -m pip install --quiet $(CONSTRAINTS) --group site
	touch $@
