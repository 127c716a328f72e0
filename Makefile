# Everything runs in .venv, which is made from envs/requirements.txt whenever that file is newer.
# ARGS goes to snakemake (or to pytest and bench): make reproduce ARGS="--config seeds=20". CORES can be set as well.
PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
BIN := .venv/bin
READY := .venv/.stamp
DRY := $(filter -n --dry-run --dryrun,$(ARGS))
# This machine's limits: its cores, and one training at a time on its GPU. A profile has its own: --cores would hold
# for the whole cluster.
LIMITS := $(if $(findstring --profile,$(ARGS)),,--cores $(CORES) --resources gpu=1)

.PHONY: help reproduce resume status data test test-long lint bench report readme clean

help:       ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

reproduce: $(READY)  ## reproduce everything, then make the report
	$(BIN)/snakemake $(LIMITS) $(ARGS)
	$(if $(DRY),,@$(MAKE) --no-print-directory report)

resume: $(READY)     ## go on after a run was killed (with its ARGS): stop its jobs, SLURM's too, unlock, run again
	$(BIN)/python workflow/resume.py $(LIMITS) $(ARGS)
	@$(MAKE) --no-print-directory report

status: $(READY)     ## say what is done, stale, missing or failed (with the ARGS of the run)
	@$(BIN)/python workflow/status.py $(ARGS)

data: $(READY)       ## fetch MNIST and Fashion-MNIST into the cache (on a login node, for compute nodes without a network)
	$(BIN)/snakemake --cores $(CORES) mnist fashion_mnist $(ARGS)

test: $(READY)       ## run the tests
	$(BIN)/pytest $(ARGS)

test-long: $(READY)  ## run the tests that take too long for every change: twenty kills
	$(BIN)/pytest -m long $(ARGS)

lint: $(READY)       ## check style, formatting and the workflow
	$(BIN)/ruff check && $(BIN)/ruff format --check
	$(BIN)/snakefmt --check workflow && $(BIN)/snakemake --lint

bench: $(READY)      ## measure speed and print one table
	$(BIN)/python tests/bench.py $(ARGS)

report: results/report.html  ## make the report of finished results (with the ARGS that made them)

readme: $(READY)     ## write the table of claims into README.md
	$(BIN)/python scripts/readme.py

clean:               ## remove the results; caches and .venv stay
	find results -mindepth 1 ! -path results/README.md -delete

results/report.html: results/claims.csv $(wildcard results/claims.html results/figures/* workflow/report/*) | $(READY)
	$(BIN)/snakemake --report $@ $(ARGS)

results/claims.csv:
	@echo "$@ does not exist yet: run make reproduce" >&2; exit 1

$(READY): envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python " + sys.version.split()[0] + \
	    "; at least 3.11 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv && $(BIN)/pip install --requirement $< && touch $@
