"""What people look at: metrics, logs, traces and invariants. Nothing here may change what the system does."""
