"""What was said of an address holds at the creditors it was said to, until their own later consent."""

from services.notifier.domain.said import ANY_CREDITOR, Said, Words, consent, in_force, stop

FIRST, SECOND = Said("twilio:SM1", "reply", "SM1: STOP"), Said("twilio:SM2", "reply", "SM2: STOP")
NOTHING: Words = {}


def test_a_word_to_nobody_in_particular_holds_at_every_creditor_and_a_word_to_one_there_alone() -> None:
    everywhere, here = stop(NOTHING, ANY_CREDITOR, FIRST), stop(NOTHING, "acme", FIRST)
    assert (in_force(everywhere, "acme"), in_force(everywhere, "beta")) == (FIRST, FIRST)
    assert (in_force(here, "acme"), in_force(here, "beta")) == (FIRST, None)


def test_a_consent_counts_at_its_own_creditor_and_a_later_word_ends_it() -> None:
    words = consent(stop(NOTHING, ANY_CREDITOR, FIRST), "acme")
    assert (in_force(words, "acme"), in_force(words, "beta")) == (None, FIRST)
    assert in_force(stop(words, ANY_CREDITOR, SECOND), "acme") == SECOND
    assert in_force(stop(words, "acme", SECOND), "acme") == SECOND
    assert in_force(stop(words, "beta", SECOND), "acme") is None


def test_the_same_word_again_undoes_no_consent() -> None:
    words = consent(stop(NOTHING, ANY_CREDITOR, FIRST), "acme")
    assert stop(words, ANY_CREDITOR, FIRST) is words


def test_a_consent_where_nothing_was_said_leaves_nothing_behind() -> None:
    assert consent(NOTHING, "acme") is NOTHING
    assert consent(stop(NOTHING, "beta", FIRST), "acme") == {"beta": FIRST}
