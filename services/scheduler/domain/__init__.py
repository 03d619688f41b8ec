"""When an account is reminded next, and why not: values and pure functions. Nothing here reads a clock, a file or a network."""
