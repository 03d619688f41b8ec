"""Addresses as they are kept and compared: one spelling for each mailbox and each phone.

Strict on purpose: an address that might be two, or that no mail server would take, is refused here. It must never guess a
country for a phone number.
"""

import re
from functools import lru_cache

import phonenumbers

_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@lru_cache(maxsize=4096)
def normalise_email(text: str) -> str:
    """The address with its domain in lower case; the part before the @ as it was given. Asked for several times with every mail.

    Raises ValueError unless it is one plain ASCII address (RFC 5321: 64 characters before the @, 254 in all).
    """
    local, at, domain = text.strip().rpartition("@")
    domain = domain.lower()
    labels = domain.split(".")
    if not at or not _LOCAL.fullmatch(local) or len(local) > 64 or len(local) + 1 + len(domain) > 254:
        raise ValueError(_email_problem(text))
    if len(labels) < 2 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise ValueError(_email_problem(text))
    if "=?" in local:
        raise ValueError("an e-mail address must not hold '=?', which mail programs decode as another text")
    return f"{local}@{domain}"


def normalise_phone(text: str) -> str:
    """The number in E.164, such as +12025550123. Raises ValueError unless it begins with + and its country's code."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise ValueError(_phone_problem(text)) from None
    if number.extension or not phonenumbers.is_possible_number(number):
        raise ValueError(_phone_problem(text))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def suppression_key(address: str) -> str:
    """What opt-outs are kept under: spellings of one mailbox that differ in case are one key."""
    return address.strip().lower()


def _email_problem(text: str) -> str:
    return f"{_masked(text)} is not an e-mail address; expected one address such as billing@example.com, in ASCII"


def _phone_problem(text: str) -> str:
    return f"{_masked(text)} is not a phone number; expected E.164 with its country's code, such as +12025550123"


def _masked(text: str) -> str:
    """Enough of a bad address to find it in the source, too little to reach anybody."""
    return repr(text[:2] + "…" + text[-2:] if len(text) > 6 else text[:1] + "…")
