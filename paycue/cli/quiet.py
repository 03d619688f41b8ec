"""Logs of commands that a person runs: on a terminal, little, and without what libraries say while servers come up."""

import logging
import os

from paycue.observability import logs


def configure(level: str = "error") -> None:
    """Log to stderr from `level` on, or from PAYCUE_LOG_LEVEL."""
    level = os.environ.get("PAYCUE_LOG_LEVEL") or level
    logs.configure("console", level)
    if level != "debug":
        # They report each retry of a broker that is only starting, and what an interrupted start left open; what lasts is told by us.
        for noisy in ("aiokafka", "asyncio"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
