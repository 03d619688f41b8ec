"""What debtors said of an address, kept beside the accounts that have it: it holds for whoever gets the address later.

A word counts at one creditor or at all of them, until that creditor has a later consent. It must never read consent into silence.
"""

from typing import TypeAlias

import msgspec

ANY_CREDITOR = ""
"""Whose word it is not known: a STOP by SMS names no creditor."""


class Said(msgspec.Struct, frozen=True, array_like=True):
    """Somebody asked us to stop. Kept as an array: a new field goes to the end."""

    cause: str
    basis: str
    """As in the consent's row: `reply`, `one_click`, `person`."""
    evidence: str


Words: TypeAlias = dict[str, Said | None]
"""Of one address: creditor (or ANY_CREDITOR) -> what was said last; None: a consent came after it."""


def stop(words: Words, creditor: str, said: Said) -> Words:
    """Somebody asked to stop; of all creditors, where none is named. The same word again undoes no consent that came after it."""
    known = words.get(creditor)
    if known is not None and known.cause == said.cause:
        return words
    return {creditor: said} if creditor == ANY_CREDITOR else {**words, creditor: said}


def consent(words: Words, creditor: str) -> Words:
    """A creditor may write again. Where nothing was said nothing is taken back."""
    return words if in_force(words, creditor) is None else {**words, creditor: None}


def in_force(words: Words, creditor: str) -> Said | None:
    """What keeps a creditor from writing to the address."""
    return words[creditor] if creditor in words else words.get(ANY_CREDITOR)
