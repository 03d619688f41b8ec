"""The rows of the table, a module each: `measure(stack, full)` takes the figures and returns the lines. P1 and P2 share their runs."""
