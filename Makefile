# Two commands: `make run` (sets up, runs the quick start to its leaderboard) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: setup run test check bench engines seeds control kills m0 published real-judge

# Installed anew only when the project file changed.
.venv/.done: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --editable '.[local,openai,dev]'
	@touch $@

setup: .venv/.done

run: setup
	$(BIN)/srlm run quickstart

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The proofs below take minutes to an hour; README says what each one shows.
bench: setup
	$(BIN)/python -m tests.proofs.bench

engines: setup
	$(BIN)/python -m tests.proofs.engines

seeds: setup
	$(BIN)/python -m tests.proofs.seeds

control: setup
	$(BIN)/python -m tests.proofs.seeds --control

kills: setup
	$(BIN)/python -m tests.proofs.kills

m0: setup
	$(BIN)/python -m benchmarks.micro_world.build_m0

# Needs the real data, SRLM_REAL_DATA.
published: setup
	$(BIN)/python -m tests.proofs.published

real-judge: setup
	$(BIN)/python -m tests.proofs.real_judge
