"""The contracts, generated from `proto/`; `make proto` regenerates, nobody edits."""
