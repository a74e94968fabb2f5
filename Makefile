# On a machine with Python 3.11 and pip: `make demo` runs the main job, `make test` the tests.
# Both install the exact versions of constraints.txt.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# More processes than cores, since tests of kills and ranks mostly wait. The longest test files
# come first by name, so files start in that order.
TESTS = -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# Compiled files are kept, whatever the environment says: else each process compiles the package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: docs-numbers demo test test-quick test-shuffled test-latest test-lowest check bench-quick docs package lock tiny-model plain-model speech-tools clean

demo: $(VENV)/installed
	$(BIN)/python launch.py fit-free --config demo.yaml

test: $(VENV)/installed-dev
	$(BIN)/python $(TESTS)

# In a random order: make test-shuffled SEED=1
SEED ?= 0
test-shuffled: $(VENV)/installed-dev
	$(BIN)/python $(TESTS) -p randomly --randomly-seed=$(SEED)

# Only tests that do not run whole jobs: a minute and a half.
test-quick: $(VENV)/installed-dev
	$(BIN)/python $(TESTS) -m "not job"

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What fell by more than a fifth against benchmarks/results/quick.json: a minute of CPU time.
bench-quick: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/quick.py

# The documentation site, into site/.
docs: $(VENV)/installed-dev
	$(BIN)/mkdocs build --strict

# The numbers and figures of README and docs/, from runs of the bundled model: a few minutes.
docs-numbers: $(VENV)/installed-dev
	$(BIN)/python tools/refresh_docs.py

# Build wheel and source distribution into dist/, and run the demo from the wheel in a clean environment.
package: $(VENV)/installed-dev
	rm -rf dist .venv-wheel
	$(BIN)/python -m hatchling build
	$(PYTHON) -m venv .venv-wheel
	.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl
	tools/try_wheel.sh .venv-wheel/bin
	rm -rf .venv-wheel

# Install the build backend first, from constraints.txt: the one that pip would fetch for an isolated build is not pinned.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) -c constraints.txt hatchling editables
	$(PIP) -c constraints.txt --no-build-isolation -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(PIP) -c constraints.txt --no-build-isolation -e '.[dev]'
	touch $@

# Regenerate constraints.txt: the newest versions that pyproject.toml allows, for Python 3.11 to 3.13 on Linux.
lock: .cache/uv/bin/uv
	.cache/uv/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev \
		--no-annotate --no-header --output-file constraints.txt pyproject.toml

# The suite on the newest versions that pyproject.toml allows, whatever constraints.txt says.
test-latest:
	$(PYTHON) -m venv .venv-latest
	.venv-latest/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager -e '.[dev]'
	.venv-latest/bin/python $(TESTS)

# The suite on the oldest versions that pyproject.toml allows.
test-lowest: .cache/uv/bin/uv
	.cache/uv/bin/uv pip compile --quiet --resolution lowest-direct --python-version 3.11 --extra dev \
		--output-file .cache/lowest.txt pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/python -m pip install --quiet -r .cache/lowest.txt
	.venv-lowest/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	.venv-lowest/bin/python $(TESTS)

.cache/uv/bin/uv:
	$(PYTHON) -m venv .cache/uv
	.cache/uv/bin/python -m pip install --quiet --disable-pip-version-check uv

# Retrain the bundled model: speech from Debian's espeak-ng and flite, about an hour on two cores.
tiny-model: $(VENV)/installed speech-tools
	cd tools && ../$(BIN)/python -m tiny_lalm.train --out ../calm_pl/assets/tiny_lalm --cache ../.cache/tiny_lalm

# Retrain the second bundled model, behind the first one's tower: about half an hour on one core.
plain-model: $(VENV)/installed speech-tools
	cd tools && ../$(BIN)/python -m plain_lalm.train --out ../calm_pl/assets/plain_lalm --cache ../.cache/plain_lalm

speech-tools:
	@{ command -v espeak-ng && command -v flite; } >/dev/null || { echo "needs espeak-ng and flite: apt-get install espeak-ng flite"; exit 1; }

clean:
	rm -rf $(VENV) .venv-latest .venv-lowest .venv-wheel runs dist site
