# Two commands: `make run` (sets up, runs the quick start to its leaderboard) and `make test`.
PYTHON ?= python3
BIN := .venv/bin
.PHONY: setup run test test-loop test-parts check bench engines served served-benchmarks seeds control guarded kills m0 coverage published \
	parse-corpus real-judge own-model families beyond-three audit alarms gates regressions nlp

# Installed anew only when the project file changed.
.venv/.done: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=24"
	$(BIN)/python -m pip install --quiet --editable '.[local,openai,nlp,dev]'
	@touch $@

setup: .venv/.done

run: setup
	$(BIN)/srlm run quickstart

# Two processes of one thread each: two cores do more so than one process with two threads.
test: setup
	$(MAKE) --no-print-directory -j2 test-loop test-parts

test-loop: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/e2e tests/packaging

test-parts: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --ignore tests/e2e --ignore tests/packaging

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The proofs below take seconds to hours; CONTRIBUTING says what each one shows and how long it takes.
bench: setup
	$(BIN)/python -m tests.proofs.bench
	$(BIN)/python -m tests.proofs.prefill
	$(BIN)/python -m tests.proofs.metrics
	$(BIN)/python -m tests.proofs.length_control
	$(BIN)/python -m tests.proofs.engines

engines: setup
	$(BIN)/python -m tests.proofs.engines

served: setup
	$(BIN)/python -m tests.proofs.served

served-benchmarks: setup
	$(BIN)/python -m tests.proofs.served_benchmarks

seeds: setup
	$(BIN)/python -m tests.proofs.seeds

control: setup
	$(BIN)/python -m tests.proofs.seeds --control

kills: setup
	$(BIN)/python -m tests.proofs.kills

m0: setup
	$(BIN)/python -m benchmarks.micro_world.build_m0

# Llama, Qwen, Mistral, Gemma and GPT-NeoX through every stage.
families: setup
	$(BIN)/python -m tests.proofs.families

# Eight iterations, five seeds, two sizes: hours.
beyond-three: setup
	$(BIN)/python -m tests.proofs.beyond_three

# Pairs audited before training: the run that games its judge is held, five quick starts are not.
audit: setup
	$(BIN)/python -m tests.proofs.audit

# What two recipes refuse that differ in what their annotators reward.
guarded: setup
	$(BIN)/python -m tests.proofs.guarded

# False alarms of ten healthy runs, and what a run that games its judge raises.
alarms: setup
	$(BIN)/python -m tests.proofs.alarms

# Simulations: do the intervals hold what they say?
coverage: setup
	$(BIN)/python -m tests.proofs.coverage
	$(BIN)/python -m tests.proofs.prediction_powered

# Sequential gates: what they save (needs the real data) and how often they err.
gates: setup
	$(BIN)/python -m tests.proofs.sequential

# What a gate on nine tasks holds: nothing lost, the margin lost, and a drop that it says it sees.
regressions: setup
	$(BIN)/python -m tests.proofs.regressions

# All nine NLP tasks against the plain lm_eval command (needs the real data, hours).
nlp: setup
	$(BIN)/python -m tests.proofs.nlp

# These need the real data, SRLM_REAL_DATA.
own-model: setup
	$(BIN)/python -m tests.proofs.own_model

published: setup
	$(BIN)/python -m tests.proofs.published
	$(BIN)/python -m tests.proofs.published_benchmarks

parse-corpus: setup
	$(BIN)/python -m tests.proofs.parse_corpus

real-judge: setup
	$(BIN)/python -m tests.proofs.real_judge
