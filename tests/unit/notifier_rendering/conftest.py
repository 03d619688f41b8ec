"""Facts to render."""

from datetime import UTC, date, datetime

import pytest

from services.notifier.domain.rendering.facts import Facts, Line


@pytest.fixture
def facts() -> Facts:
    return Facts(
        creditor_name="Northwind Ltd",
        account_id="0379-NEVHP",
        debtor_name="Ann O'Neil",
        locale="en",
        stage="friendly",
        items=(Line("611365", 123450, "USD", date(2013, 2, 1)),),
        payment_link="https://pay.example.com/p/dG9rZW4",
        unsubscribe_link="https://pay.example.com/u/dG9rZW4",
        message_id="013cba5c-6400-8abc-9def-0123456789ab",
        sent_at=datetime(2013, 2, 8, 14, tzinfo=UTC),
        zone="America/New_York",
        sender_email="reminders@northwind.example",
        sender_name="Northwind Ltd",
        to="0379-NEVHP@debtors.example",
    )
