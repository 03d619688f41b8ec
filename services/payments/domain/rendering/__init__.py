"""The debtor's page: facts in, HTML out. It reads nothing and decides nothing."""
