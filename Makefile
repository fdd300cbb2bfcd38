# Everything one does with segen. `make` alone lists it. The work itself is in .ci/, so that it also runs without make.

SHELL := bash
VENV := $(if $(SEGEN_VENV),$(SEGEN_VENV),.venv)
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help environment book test serve lab bench repository clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

environment: ## make .venv and install everything (done by the others when needed)
	@bash .ci/environment

book: environment ## build the whole book into _build/html, warnings are errors
	@bash .ci/book
	@printf '\nThe book is built. Open it with:  make serve   or open  %s/_build/html/index.html\n' "$(CURDIR)"

test: environment ## lint, unit tests, exercises, every notebook, the built site
	@bash .ci/test

serve: book ## build the book and serve it at http://localhost:8000 (PORT=… for another)
	@$(VENV)/bin/python -m http.server $(or $(PORT),8000) --bind 127.0.0.1 --directory _build/html

lab: environment ## open the chapters in JupyterLab
	@$(VENV)/bin/jupyter lab book

bench: environment ## run the benchmarks and rewrite their table
	@$(VENV)/bin/python benchmarks/run.py

repository: environment ## URL=https://github.com/you/segen: move the project to another public address
	@$(if $(URL),,$(error Say where to: make repository URL=https://github.com/you/segen))
	@$(VENV)/bin/python book/repository.py "$(URL)"

clean: ## remove what was built (not the environment)
	@rm -rf _build
