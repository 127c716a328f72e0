# Everything runs in .venv, which is made from envs/requirements.txt whenever that file is newer.
# ONLY names papers or studies, one or several: make list says which there are.
# ARGS goes to snakemake (or to pytest and bench): make reproduce ARGS="--config seeds=20". CORES can be set as well.
# An empty variable counts as one that is not set.
PYTHON := $(or $(PYTHON),python3)
CORES := $(or $(CORES),$(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN))
BIN := .venv/bin
# Own code first: another checkout's package may be installed in .venv, or lie on PYTHONPATH.
export PYTHONPATH := $(CURDIR)/scripts$(if $(PYTHONPATH),:$(PYTHONPATH))
# What a shell or a notebook has set for other work must not stop Python or pip; jobs: workflow/core/surroundings.py.
export PYTHONUTF8 := 1
export PIP_USER := 0
unexport PYTHONINSPECT PYTHONIOENCODING PYTHONOPTIMIZE PYTHONSAFEPATH PYTHONWARNINGS PIP_PREFIX PIP_ROOT PIP_TARGET
CACHES := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
ifeq ($(shell mkdir -p "$(CACHES)" 2>/dev/null && test -w "$(CACHES)" && echo writable),)
export XDG_CACHE_HOME := $(CURDIR)/.cache/home
endif
READY := .venv/.stamp
# What ARGS mean is asked of Snakemake's own parser. CORES is this machine's limit where they name none.
COMMAND := CORES=$(CORES) $(BIN)/python -m workflow.core.command

.PHONY: help list reproduce resume status data test test-long lint bench report readme clean

help:       ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

list: $(READY)       ## list the papers and studies, their jobs and times (with the ARGS of the run)
	@$(BIN)/python -m workflow.core.listing $(ARGS)

reproduce: $(READY)  ## reproduce everything, or what ONLY names, then make the report
	@$(COMMAND) run $(ONLY) $(ARGS)
	@$(COMMAND) after $(ONLY) $(ARGS)

resume: $(READY)     ## go on after a run was killed (with its ONLY and ARGS): stop its jobs, SLURM's too, unlock, run again
	@CORES=$(CORES) $(BIN)/python -m workflow.core.resume $(ONLY) $(ARGS)
	@$(COMMAND) after $(ONLY) $(ARGS)

status: $(READY)     ## say what is done, stale, missing or failed (with the ARGS of the run)
	@$(BIN)/python -m workflow.core.status $(ONLY) $(ARGS)

data: $(READY)       ## fetch MNIST and Fashion-MNIST into the cache (on a login node, for compute nodes without a network)
	$(BIN)/snakemake --cores $(CORES) mnist fashion_mnist $(ARGS)

test: $(READY)       ## run the tests, a file more at a time than CORES: those of Slurm mostly wait
	$(BIN)/pytest --numprocesses $$(($(CORES) + 1)) --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(READY)  ## run the tests that take too long for every change: twenty kills
	$(BIN)/pytest -m long $(ARGS)

lint: $(READY)       ## check style, formatting and the workflow
	$(BIN)/ruff check && $(BIN)/ruff format --check
	$(BIN)/snakefmt --check workflow && $(BIN)/snakemake --lint

bench: $(READY)      ## measure speed and print one table
	$(BIN)/python -m tests.bench $(ARGS)

report: $(READY)     ## make the report of finished results (with the ARGS that made them)
	@$(COMMAND) report $(ARGS)

readme: $(READY)     ## write the table of claims into README.md
	$(BIN)/python scripts/core/readme.py

# -H: results may be a link, to a scratch disk.
clean:               ## remove the results; caches and .venv stay
	find -H results -mindepth 1 ! -path results/README.md -delete

$(READY): envs/requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("$(PYTHON) is Python " + sys.version.split()[0] + \
	    "; at least 3.11 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv && $(BIN)/pip install --requirement $<
	$(BIN)/pip install --no-build-isolation --no-deps --editable . && touch $@
