"""What the notifier is told before it starts: where mail and SMS are handed over, how fast, and how long it waits.

A channel that is half configured refuses to start; one that is not configured at all is simply not available.
"""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from paycue.settings import KernelSettings, http_url, port_for, secret_field
from services.notifier.adapters.smtp_server import smtp_server
from services.notifier.domain.addresses import normalise_email, normalise_phone

FIND_AFTER = (60, 300, 900, 3_600, 21_600, 86_400)


def _smtp_url(text: str) -> str:
    smtp_server(text)
    return text


class NotifierSettings(KernelSettings):
    """The notifier's own settings beside the kernel's."""

    http_port: int = port_for("notifier", 8102)
    smtp_url: Annotated[str, AfterValidator(_smtp_url)] | None = secret_field(
        "smtp://[user:password@]host:port[?tls=starttls|implicit|none]", default=None
    )
    mail_from: Annotated[str, AfterValidator(normalise_email)] | None = Field(
        default=None, description="the From of creditors without their own, such as reminders@example.com"
    )
    mail_lookup_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None, description="the base of a Mailpit-shaped search API, such as http://127.0.0.1:8025"
    )
    twilio_account_sid: str | None = Field(default=None, pattern=r"^AC[0-9a-fA-F]{32}$", description="AC and 32 hexadecimal digits")
    twilio_auth_token: str | None = secret_field("the token of the Twilio account", default=None, min_length=16)
    twilio_from: Annotated[str, AfterValidator(normalise_phone)] | None = Field(
        default=None, description="the sender of creditors without their own, in E.164 such as +12025550123"
    )
    twilio_base_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None, description="another base than https://api.twilio.com, such as a local fake's"
    )
    notifier_url: Annotated[str, AfterValidator(http_url)] | None = Field(
        default=None, description="where this service is reached from outside, if not at PAYCUE_PUBLIC_URL"
    )
    smtp_connections: int = Field(default=10, ge=1, le=100, description="connections to the mail server, 1 to 100")
    smtp_final_reply_seconds: float = Field(
        default=600.0, ge=1, le=3_600, description="how long the server may take to answer a mail's end, 1 to 3600 (RFC 5321: 600)"
    )
    sms_concurrency: int = Field(default=10, ge=1, le=100, description="SMS requests at a time, 1 to 100")
    email_rate: int = Field(default=200, ge=1, description="mails claimed a second at most: about what the server takes")
    sms_rate: int = Field(default=20, ge=1, description="SMS claimed a second at most: about what the numbers carry")
    call_seconds: float = Field(default=30.0, ge=1, le=300, description="how long one request to a provider may take, 1 to 300")
    start_by_seconds: float = Field(default=3.0, gt=0, le=4, description="how long after its claim a call may start, up to 4")
    clock_skew_seconds: float = Field(
        default=10.0, ge=1, le=3_600, description="how far the clocks of two instances may be apart, 1 to 3600: leases last so much longer"
    )
    find_after: tuple[int, ...] = Field(default=FIND_AFTER, description="seconds until an unknown call is looked for, such as [60, 300]")

    @property
    def own_url(self) -> str:
        """Where opt-outs and providers' callbacks reach this service; payment links lead to PAYCUE_PUBLIC_URL."""
        return self.notifier_url or self.public_url

    @model_validator(mode="after")
    def _channels_are_whole(self) -> Self:
        if bool(self.smtp_url) != bool(self.mail_from):
            raise ValueError(_half("PAYCUE_SMTP_URL and PAYCUE_MAIL_FROM"))
        twilio = (self.twilio_account_sid, self.twilio_auth_token, self.twilio_from)
        if any(twilio) and not all(twilio):
            raise ValueError(_half("PAYCUE_TWILIO_ACCOUNT_SID, PAYCUE_TWILIO_AUTH_TOKEN and PAYCUE_TWILIO_FROM"))
        if list(self.find_after) != sorted(set(self.find_after)) or not self.find_after or self.find_after[0] <= 0:
            raise ValueError("PAYCUE_FIND_AFTER does not grow; expected seconds such as [60, 300, 900]")
        return self


def _half(variables: str) -> str:
    return f"{variables} belong together; set them all, or none if the channel is not to be available"
