bench: setup-dev ## events folded per second and CPU per event; on an idle machine
	@$(BIN)/python -m bench.fold
.PHONY: bench
