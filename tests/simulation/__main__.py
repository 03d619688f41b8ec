"""`python -m tests.simulation SEEDS=200 DAYS=30 SEED=0`: many seeds; with TRACE=1 one of them, line by line."""

import sys

from tests.simulation.prove import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
