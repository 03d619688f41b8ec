bench: setup-dev ## measure paycue beside the raw drivers and its peers, on an idle machine; FULL=1 takes the full scale, ROWS="P1 P5" some rows
	@FULL=$(FULL) $(BIN)/python -m bench $(ROWS)
.PHONY: bench
