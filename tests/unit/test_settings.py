"""A process that is told too little, or something unsafe, does not start, and says everything that is wrong at once."""

import os

import pytest

from paycue.settings import KernelSettings, SettingsError, load, masked, port_for

GOOD = {
    "PAYCUE_DATABASE_URL": "postgresql://paycue:hunter2@db:5432/paycue",
    "PAYCUE_KAFKA": "broker-1:9092,broker-2:9092",
    "PAYCUE_SECRET": "b1946ac92492d2347c6235b4d2611184",
    "PAYCUE_PUBLIC_URL": "https://pay.example.com/",
}


class SchedulerSettings(KernelSettings):
    http_port: int = port_for("scheduler", 8101)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Exactly the good settings, whatever the shell has."""
    for name in [name for name in os.environ if name.startswith("PAYCUE_")]:
        monkeypatch.delenv(name)
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_good_settings_load_with_safe_defaults() -> None:
    settings = load(SchedulerSettings)
    assert settings.public_url == "https://pay.example.com"
    assert settings.signing_key == GOOD["PAYCUE_SECRET"].encode()
    assert (settings.http_host, settings.http_port, settings.kafka_security) == ("127.0.0.1", 8101, "plaintext")


def test_each_service_has_a_port_of_its_own(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAYCUE_HTTP_PORT", "9000")
    assert load(SchedulerSettings).http_port == 9000
    environment.setenv("PAYCUE_SCHEDULER_PORT", "9101")
    assert load(SchedulerSettings).http_port == 9101


def test_everything_that_is_missing_or_unsafe_is_named_at_once(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAYCUE_SECRET", "")
    environment.setenv("PAYCUE_KAFKA", "localhost")
    environment.setenv("PAYCUE_DATABASE_URL", "mysql://paycue:hunter2@db/paycue?password=hunter2")
    environment.setenv("PAYCUE_SCHEDULER_PORT", "99999")
    environment.setenv("PAYCUE_LOG_FORMAT", "xml")
    environment.delenv("PAYCUE_PUBLIC_URL")
    with pytest.raises(SettingsError) as raised:
        load(SchedulerSettings)
    first, *lines = str(raised.value).splitlines()
    assert first == "paycue cannot start:"
    assert [line.split()[0] for line in lines] == [
        *("PAYCUE_DATABASE_URL", "PAYCUE_KAFKA", "PAYCUE_LOG_FORMAT", "PAYCUE_PUBLIC_URL", "PAYCUE_SCHEDULER_PORT", "PAYCUE_SECRET")
    ]
    assert all("expected: " in line for line in lines)
    assert "'mysql://paycue:***@db/paycue'" in lines[0]
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    "secret",
    [
        "tiny",
        "x" * 64,
        "changeme" * 4,
        "Change-Me-0123456789abcdefghijklmnop",
        "my-very-secret-value-that-is-long-enough",
        "0123456789abcdef0123456789abcdef",
        "abababababababababababababababab",
    ],
)
def test_a_secret_that_anyone_could_guess_is_refused_and_not_shown(environment: pytest.MonkeyPatch, secret: str) -> None:
    environment.setenv("PAYCUE_SECRET", secret)
    with pytest.raises(SettingsError, match=r"PAYCUE_SECRET is .* characters long") as raised:
        load(KernelSettings)
    assert secret not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYCUE_DATABASE_URL", "postgresql://db:5432"),
        ("PAYCUE_KAFKA", "broker:0"),
        ("PAYCUE_KAFKA", "kafka://broker:9092"),
        ("PAYCUE_KAFKA", "a:1,"),
        ("PAYCUE_PUBLIC_URL", "pay.example.com"),
        ("PAYCUE_PUBLIC_URL", "https://"),
        ("PAYCUE_DATABASE_ROLE", "paycue; drop"),
        ("PAYCUE_HTTP_PORT", "http"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused_with_its_name(environment: pytest.MonkeyPatch, name: str, value: str) -> None:
    environment.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load(KernelSettings)


def test_sasl_needs_its_user_and_password(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PAYCUE_KAFKA_SECURITY", "sasl_ssl")
    with pytest.raises(SettingsError, match="PAYCUE_KAFKA_USERNAME and PAYCUE_KAFKA_PASSWORD"):
        load(KernelSettings)


def test_no_secret_stands_in_a_repr() -> None:
    shown = repr(load(KernelSettings))
    assert "hunter2" not in shown
    assert GOOD["PAYCUE_SECRET"] not in shown


def test_the_password_of_every_url_is_masked_whatever_it_holds() -> None:
    assert masked("smtp://u:p@s/s@mail:587 and postgresql://a:b@c/d") == "smtp://u:***@mail:587 and postgresql://a:***@c/d"
