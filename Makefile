# On a machine with Python 3.11 and pip: `make demo` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs tiny-model clean

demo: $(VENV)/installed
	$(BIN)/python launch.py fit-free --config demo.yaml

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation site, into site/.
docs: $(VENV)/installed-dev
	$(BIN)/mkdocs build --strict

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

# Trains the bundled model anew: speech from Debian's espeak-ng and flite, about an hour on two cores.
tiny-model: $(VENV)/installed
	@{ command -v espeak-ng && command -v flite; } >/dev/null || { echo "needs espeak-ng and flite: apt-get install espeak-ng flite"; exit 1; }
	cd tools && ../$(BIN)/python -m tiny_lalm.train --out ../calm_pl/assets/tiny_lalm --cache ../.cache/tiny_lalm

clean:
	rm -rf $(VENV) runs dist site
