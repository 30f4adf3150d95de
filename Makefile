# Two commands for a stranger: `make demo` and `make test`. Everything they need, they set up.
.PHONY: demo test check fix e2e faults bench servers lock words reference
PY := .venv/bin/python

demo: ## the main job for real, in under two minutes (KEEP=1 leaves it in place to play with)
	@tools/venv demo
	@$(PY) -m haechi demo $(if $(KEEP),--keep,)

test: ## everything but the slow suites; installs the servers it needs where it may
	@tools/venv dev
	@tools/servers
	@$(MAKE) --no-print-directory check
	@timeout --signal=INT --kill-after=30 2100 \
		$(PY) -m pytest tests/contract tests/integration tests/e2e -m "not slow" -n 2 --dist loadgroup --durations=15

check: ## format, lint, types, import contract, unit tests: a minute, no server
	@tools/venv dev
	@tools/check

fix: ## format, and mend what the linter can
	@.venv/bin/ruff format .
	@.venv/bin/ruff check --fix .

e2e: ## whole commands on whole installations, and large amounts
	@tools/venv dev
	@tools/servers
	@$(PY) -m pytest tests/contract tests/integration tests/e2e -m "e2e or slow" -n 2 --dist loadgroup --durations=15

faults: ## every call to a store fails once; every moment is the last one
	@tools/venv dev
	@$(PY) -m pytest tests/faults -n 2 --durations=15

bench: ## side by side with the peers (ONLY=vault for one area, QUICK=1 for a share of it within 50 seconds)
	@tools/venv dev
	@tools/servers $(if $(QUICK),quick,bench)
	-@$(if $(QUICK),:,tools/venv compact)
	@$(PY) -m bench $(if $(QUICK),--quick,) $(foreach area,$(ONLY),--only $(area))

servers: ## the real servers that tests and benchmarks run against
	@tools/servers

words: ## collect every message for translation, and compile what is translated
	@tools/venv dev
	@$(PY) tools/words

reference: ## the generated pages of docs/reference
	@tools/venv dev
	@$(PY) tools/reference

lock:
	@tools/lock
