"""The replay: a ledger's history through the real services in accelerated business time, and the report that adds it up."""
