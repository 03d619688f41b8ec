"""What providers and debtors send back: delivery reports, and replies that ask us to stop.

`is_opt_out` errs towards silence: whoever may have meant "stop" is taken at that word. It must never read consent into a reply.
"""

import re
from typing import Literal

import msgspec

Delivery = Literal["queued", "sent", "delivered", "undelivered", "failed"]


class DeliveryReport(msgspec.Struct, frozen=True):
    """A provider tells how far one call's message has come. Reports arrive in any order and more than once."""

    call_id: str
    reference: str
    """The provider's id of the message."""
    status: Delivery
    error_code: str = ""
    """The provider's reason for undelivered and failed; empty if it gave none."""


class InboundMessage(msgspec.Struct, frozen=True):
    """A debtor answered."""

    reference: str
    """The provider's id of the answer: the same id again is the same answer."""
    sender: str
    recipient: str
    body: str
    opt_out: bool


_KEYWORD = re.compile(
    r"stop|stopall|stopp|stopsms|unsubscribe|unsub|unsubcribe|unsuscribe|cancel|end|quit|optout|revoke|remove"
    r"|arret|arrêt|arrete|arrêté|arrêter"
)
"""Twilio's opt-out keywords in English and French, their usual misspellings, and German carriers' `stopp`."""
_FILLER = re.compile(
    r"please|pls|plz|thanks|thank|you|thx|ok|okay|hi|hey|hello|no|just|now|all|already|immediately|it|this|me|sir|madam"
    r"|(?:text|messag|msg|sms|send|e?mail|contact|remind)(?:e|s|es|ing|ings|er|ers)?"
)
_MEANS = re.compile(
    r"\b(?:unsubscribe|unsub|unsubcribe|unsuscribe|optout)\b"
    r"|\bopt(?:ing)?(?: me| us)? out\b"
    r"|\b(?:stop|quit|cease)(?: \w+){0,2} (?:text|messag|sms|msg|mail|email|e mail|send|contact|call|writ|both|harass|spam|remind)\w*"
    r"|\b(?:do not|dont|never)(?: ever)? (?:text|messag|sms|mail|email|send|contact|call|writ|bother)\w*"
    r"|\bno more (?:text|messag|sms|msg|mail|email|reminder|contact)\w*"
    r"|\b(?:remove|delete|take) (?:me|us|my (?:number|phone|mobile|address|email))\b"
    r"|\bleave (?:me|us) alone\b"
    r"|\brevoke(?: my)? consent\b|\bwithdraw(?: my)? consent\b|\bcease and desist\b"
)


def is_opt_out(text: str) -> bool:
    """Whether a reply asks us to stop: by a carrier's keyword, or in words a person would understand so."""
    words = re.sub(r"[\W_]+", " ", text.casefold().replace("'", "").replace("’", "")).split()
    core = [word for word in words if not _FILLER.fullmatch(word)]
    if core and all(map(_KEYWORD.fullmatch, core)):
        return True
    return _MEANS.search(" ".join(words)) is not None
