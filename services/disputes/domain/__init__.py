"""Disputes as values and pure functions: what was told in, how each dispute stands out."""
