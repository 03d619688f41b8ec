"""The local inbox: an SMTP sink and a Twilio-shaped endpoint that keep what they receive and show it on a page.

It is the one fake provider of demo, replay and tests, so what it received is the truth they are judged by: it never alters,
merges or drops a message it has accepted.
"""

from paycue.local.inbox.box import Box
from paycue.local.inbox.faults import SmtpFault, TwilioFault
from paycue.local.inbox.received import Received
from paycue.local.inbox.server import LocalInbox
from paycue.local.inbox.show import Line, list_messages, render

__all__ = ["Box", "Line", "LocalInbox", "Received", "SmtpFault", "TwilioFault", "list_messages", "render"]
