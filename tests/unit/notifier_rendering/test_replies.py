"""Who asks us to stop, and who does not."""

import pytest

from services.notifier.domain.replies import is_opt_out


@pytest.mark.parametrize(
    "text",
    [
        "STOP", "stop", " Stop. ", "STOP!!!", "StopAll", "stop all", "UNSUBSCRIBE", "Cancel", "END", "quit", "OPTOUT", "opt out", "Opt-out",
        "REVOKE", "ARRET", "arrêt", "stop please", "please stop", "Pls stop!", "Stop it.", "stop stop stop", "ok stop now", "STOP\nthanks",
        "please stop texting me", "Stop sending me these messages", "stop contacting us", "unsubscribe me", "I want to unsubscribe.",
        "I'd like to opt out of this", "opt me out", "Don't text me", "do not contact me again", "don’t call me", "no more texts please",
        "Remove me from your list", "take me off", "remove my number", "leave me alone", "I revoke my consent", "I withdraw consent",
        "cease and desist", "Cease all contact", "stop harassing me", "never text this number", "stop emails", "No more reminders!",
    ],
)  # fmt: skip
def test_whoever_asks_us_to_stop_is_understood(text: str) -> None:
    assert is_opt_out(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "...", "ok", "thanks", "Please text me", "I paid yesterday", "I will pay at the end of the month",
        "I dispute invoice 611365",
        "Please do not cancel my order", "can I cancel the second order?", "I'll stop by your office on Friday", "the weekend",
        "Who is this?",
        "START", "HELP", "yes", "I stopped the cheque", "please call me", "I never got the goods", "weekend plans",
    ],
)  # fmt: skip
def test_other_answers_are_not_taken_for_an_opt_out(text: str) -> None:
    assert not is_opt_out(text)
