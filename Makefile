# `make demo` and `make test` set everything up by themselves; `make` alone lists what there is.
# Needed: make, and Python 3.11 or newer with its venv module.

# Set on the command line: make test PYTHON=python3.12 ARGS="-k auth"
ARGS =
PYTHON =
VENV = .venv

# 3.14 comes late, as binary wheels do; a pyenv shim may exist and yet not run, so each is tried.
candidates = python3.13 python3.12 python3.11 python3.14 python3 python
python = $(VENV)/bin/python
pip = $(python) -m pip install -q --disable-pip-version-check
# Tools are run as modules, for the scripts of an environment hold the path it was made at.
run = @$(python) -m

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.NOTPARALLEL:  # one environment, one pip at a time
.PHONY: FORCE help demo test lint types docs bench clean

# The environment is made anew where the checkout was moved, where its Python is gone, and where
# PYTHON names another one.
identity = -c 'import sys; print(sys.base_prefix, sys.version)' 2>&1
ifneq ($(shell test -x $(python) && cat $(VENV)/.home 2>&1),$(CURDIR))
stale = FORCE
else ifneq ($(PYTHON),)
ifneq ($(shell "$(PYTHON)" $(identity)),$(shell $(python) $(identity)))
stale = FORCE
endif
endif

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed-rich  ## trade on mock exchanges that fail (ARGS=--plain for plain lines)
	$(run) examples.demo $(ARGS)

test: $(VENV)/.installed-dev  ## run the tests (ARGS="tests/rest -k timeout" for some of them)
	$(run) pytest $(ARGS)

lint: $(VENV)/.installed-dev  ## check style and format
	$(run) ruff check -q .
	$(run) ruff format -q --check .

types: $(VENV)/.installed-dev  ## check the types
	$(run) mypy

docs: $(VENV)/.installed-docs  ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(python) -m mkdocs build --strict -q

bench: $(VENV)/.installed-bench  ## measure, beside the goals (ARGS=throttler for one of them)
	$(run) benchmarks $(ARGS)

clean:  ## remove the environments and everything built
	rm -rf .venv .venv-* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site
	find networkpype tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.home: $(stale)
	@lacking=; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",$(candidates)); do \
	    version=$$("$$candidate" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3]); \
	        sys.exit(sys.version_info < (3, 11))' 2>&1) || continue; \
	    if "$$candidate" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	        echo "creating $(VENV) with $$candidate ($$version)"; \
	        "$$candidate" -m venv --clear "$(VENV)" || exit 1; \
	        echo "$(CURDIR)" >$@; \
	        exit 0; \
	    fi; \
	    lacking=$${lacking:-$$version}; \
	done; \
	if [ -n "$$lacking" ]; then \
	    echo "Python $$lacking is here without its venv module. On Debian and Ubuntu:"; \
	    echo "    sudo apt install python$${lacking%.*}-venv"; \
	else \
	    echo "No Python 3.11 or newer runs here; tried: $(or $(PYTHON),$(candidates))."; \
	    echo "Install one, or name it: make PYTHON=/path/to/python3"; \
	fi >&2; \
	exit 1

$(VENV)/.installed-rich: $(VENV)/.home pyproject.toml
	@echo "installing networkpype and rich into $(VENV)"
	@$(pip) -e '.[rich]'
	@touch $@

# Dependency groups (PEP 735) need pip 25.1.
$(VENV)/.installed-%: $(VENV)/.home pyproject.toml
	@echo "installing networkpype and the tools for $* into $(VENV)"
	@$(pip) --upgrade 'pip>=25.1'
	@$(pip) -e . --group $*
	@touch $@
