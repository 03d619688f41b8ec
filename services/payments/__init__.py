"""What is owed and paid: the ledger of each account."""
