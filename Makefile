PYTHON ?= python3
VENV ?= .venv
DEMO ?= demo
RUN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint audit damage docs pictures readers trainers bench soak clean

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/  /'

setup: $(STAMP)  ## make .venv and install the package with all that it needs

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "Python 3.11 or 3.12 is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)/pip install -q -c constraints.txt -e '.[dev]'
	@touch $@

demo: setup  ## generate studies, build a dataset from them, check it and show it
	rm -rf $(DEMO)
	$(RUN)/medcutmix-pipeline phantom $(DEMO)/studies --studies 300 --seed 7
	$(RUN)/medcutmix-pipeline build examples/demo.yaml --source phantom --root $(DEMO)/studies --out $(DEMO)/dataset
	$(RUN)/medcutmix-pipeline validate $(DEMO)/dataset
	$(RUN)/medcutmix-pipeline inspect $(DEMO)/dataset
	$(RUN)/medcutmix-pipeline inspect $(DEMO)/dataset --random 1
	@echo "The dataset is in $(DEMO)/dataset; look at more plans with: $(RUN)/medcutmix-pipeline inspect $(DEMO)/dataset --random 5 --seed 2"
	@$(RUN)/medcutmix-pipeline inspect $(DEMO)/dataset --html $(DEMO)/dataset/report

test: setup  ## run the tests
	$(RUN)/pytest -n auto --dist loadfile

lint: setup  ## check style, types and what a linter knows of security
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/bandit -q -r medcutmix_pipeline

audit:  ## look for known vulnerabilities in what constraints.txt pins; needs the service of pypi.org
	test -d $(VENV)-audit || { $(PYTHON) -m venv $(VENV)-audit && $(VENV)-audit/bin/pip install -q 'pip-audit==2.10.1'; }
	$(VENV)-audit/bin/pip-audit --strict --disable-pip --no-deps -r constraints.txt --progress-spinner off

damage: setup  ## build over a thousand damaged inputs and tell what became of each kind; search a build on Ray for canaries
	$(RUN)/python -m tests.damage
	$(RUN)/pytest -m slow tests/privacy

docs: setup  ## build the documentation's site into build/docs/site; a warning is a failure
	$(RUN)/python -m tools.docs build/docs

pictures: setup  ## draw the pictures of the documentation anew, from generated studies
	@test -f $(DEMO)/dataset/dataset.json || $(MAKE) demo
	$(RUN)/python -m tools.pictures $(DEMO)/dataset docs/pictures

readers: setup  ## read a demo dataset with webdataset 0.2.86, the newest webdataset and Hugging Face datasets
	@test -f $(DEMO)/dataset/dataset.json || $(MAKE) demo
	rm -rf $(VENV)-readers && $(PYTHON) -m venv $(VENV)-readers
	$(VENV)-readers/bin/pip install -q -r examples/readers/requirements.txt
	$(VENV)-readers/bin/python examples/readers/read_with_webdataset.py $(DEMO)/dataset
	HF_HUB_OFFLINE=1 $(VENV)-readers/bin/python examples/readers/read_with_datasets.py $(DEMO)/dataset
	$(RUN)/python examples/readers/read_with_webdataset.py $(DEMO)/dataset

trainers: setup  ## train with open_clip, unchanged and with the mix, and with Lightning, in an environment of their own (6 GB)
	test -d $(VENV)-trainers || $(PYTHON) -m venv $(VENV)-trainers
	$(VENV)-trainers/bin/pip install -q -r examples/trainers/requirements.txt
	TRAINERS_PYTHON=$(abspath $(VENV)-trainers/bin/python) $(RUN)/pytest -m 'slow or not slow' tests/examples

bench: setup  ## measure everything beside what people would use instead, small: minutes; SIZE=full, OPENI=folder of Open-I
	$(RUN)/python -m benchmarks --size $(or $(SIZE),small) $(if $(OPENI),--openi $(OPENI))

soak: setup  ## kill builds at every step, fill their disk, let their calls fail, lose workers and a node; build again, compare
	$(RUN)/python -m tests.faults

clean:  ## remove what the targets above made
	rm -rf $(VENV) $(VENV)-audit $(VENV)-readers $(VENV)-trainers $(DEMO) bench build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
