"""When an account is reminded next, and why not."""
