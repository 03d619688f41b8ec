"""What the notifier refuses to start with."""

import pytest

from paycue.settings import SettingsError, load
from services.notifier.adapters.smtp_server import SmtpServer, smtp_server
from services.notifier.settings import NotifierSettings

NEEDED = {
    "PAYCUE_DATABASE_URL": "postgresql://u:p@127.0.0.1/paycue",
    "PAYCUE_KAFKA": "127.0.0.1:9092",
    "PAYCUE_SECRET": "Zx81-qLm4vTn9rKe2wYp7sHd5bGa3cUf",
    "PAYCUE_PUBLIC_URL": "https://pay.example.com",
}
SMTP = {"PAYCUE_SMTP_URL": "smtp://127.0.0.1:1025", "PAYCUE_MAIL_FROM": "Reminders@Example.com"}
TWILIO = {
    "PAYCUE_TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
    "PAYCUE_TWILIO_AUTH_TOKEN": "k3jd8sJ2mq0Lx7Vb",
    "PAYCUE_TWILIO_FROM": "+1 202 555 0123",
}


@pytest.fixture(autouse=True)
def _no_variables_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("PAYCUE_"):
            monkeypatch.delenv(name)


def settings(monkeypatch: pytest.MonkeyPatch, **variables: str) -> NotifierSettings:
    for name, value in {**NEEDED, **variables}.items():
        monkeypatch.setenv(name, value)
    return load(NotifierSettings)


def test_without_smtp_and_twilio_both_channels_are_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch)
    assert (found.smtp_url, found.twilio_account_sid) == (None, None)
    assert (found.call_seconds, found.start_by_seconds, found.find_after) == (30.0, 3.0, (60, 300, 900, 3_600, 21_600, 86_400))


def test_addresses_are_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settings(monkeypatch, **SMTP, **TWILIO)
    assert (found.mail_from, found.twilio_from) == ("Reminders@example.com", "+12025550123")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PAYCUE_SMTP_URL": SMTP["PAYCUE_SMTP_URL"]}, "PAYCUE_SMTP_URL and PAYCUE_MAIL_FROM belong together"),
        ({"PAYCUE_TWILIO_FROM": "+12025550123"}, "belong together"),
        ({**SMTP, "PAYCUE_SMTP_URL": "mail.example.com"}, "PAYCUE_SMTP_URL is .*expected: smtp://"),
        ({**SMTP, "PAYCUE_MAIL_FROM": "Reminders <r@example.com>"}, "PAYCUE_MAIL_FROM"),
        ({**TWILIO, "PAYCUE_TWILIO_FROM": "2025550123"}, "PAYCUE_TWILIO_FROM.*E.164"),
        ({"PAYCUE_FIND_AFTER": "[300, 60]"}, "PAYCUE_FIND_AFTER does not grow"),
        ({"PAYCUE_START_BY_SECONDS": "60"}, "PAYCUE_START_BY_SECONDS"),
    ],
)
def test_a_half_configured_or_malformed_channel_refuses_to_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        settings(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://127.0.0.1:1025", SmtpServer("127.0.0.1", 1025, "none")),
        ("smtp://mail.example.com:587", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://mail.example.com:465", SmtpServer("mail.example.com", 465, "implicit")),
        ("smtp://u%40x:p%2Fw@mail.example.com:2525?tls=implicit", SmtpServer("mail.example.com", 2525, "implicit", "u@x", "p/w")),
        ("smtp://mail.example.com:25?tls=none", SmtpServer("mail.example.com", 25, "none")),
    ],
)
def test_a_mail_server_is_read_from_its_url(url: str, expected: SmtpServer) -> None:
    assert smtp_server(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "smtp://",
        "smtp://host",
        "smtp://host:99999",
        "http://host:25",
        "smtp://host:25/x",
        "smtp://host:25?tls=maybe",
        "smtp://host:25?tls=none&x=1",
    ],
)
def test_another_form_of_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        smtp_server(url)


def test_a_password_never_crosses_a_network_in_clear_and_is_never_shown() -> None:
    with pytest.raises(ValueError, match="in clear") as refusal:
        smtp_server("smtp://user:hunter2@mail.example.com:25?tls=none")
    assert "hunter2" not in str(refusal.value)
    assert "hunter2" not in repr(smtp_server("smtp://user:hunter2@mail.example.com:587"))
