"""The channels an installation has, from its settings. What is not configured is not there: nothing pretends to send."""

from services.notifier.adapters.base import Channel
from services.notifier.adapters.mail_lookup import MailLookup
from services.notifier.adapters.smtp import SmtpChannel
from services.notifier.adapters.smtp_server import smtp_server
from services.notifier.adapters.twilio_http import TwilioHttp
from services.notifier.adapters.twilio_sms import API, TwilioSms
from services.notifier.settings import NotifierSettings

STATUS_CALLBACK = "/v1/providers/twilio/status"
"""Below the public address; Twilio posts delivery reports there."""
INBOUND_CALLBACK = "/v1/providers/twilio/inbound"
"""Below the public address; the number's "a message comes in" must be set to it at Twilio."""


def open_channels(settings: NotifierSettings) -> dict[str, Channel]:
    """The configured channels by name, `email` and `sms`; each is to be closed. Connections are opened when first needed."""
    channels: dict[str, Channel] = {}
    if settings.smtp_url:
        channels["email"] = SmtpChannel(
            smtp_server(settings.smtp_url),
            connections=settings.smtp_connections,
            call_seconds=settings.call_seconds,
            final_reply_seconds=settings.smtp_final_reply_seconds,
            lookup=MailLookup(settings.mail_lookup_url) if settings.mail_lookup_url else None,
        )
    if settings.twilio_account_sid and settings.twilio_auth_token:
        http = TwilioHttp(
            settings.twilio_base_url or API, settings.twilio_account_sid, settings.twilio_auth_token, seconds=settings.call_seconds
        )
        channels["sms"] = TwilioSms(http, status_callback=settings.own_url + STATUS_CALLBACK)
    return channels
