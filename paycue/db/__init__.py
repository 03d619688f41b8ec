"""PostgreSQL: one pool, one way to open a transaction, set-based SQL, row-level security by tenant list, migrations."""
