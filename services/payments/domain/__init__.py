"""The ledger as values and pure functions: facts in, balances out."""
