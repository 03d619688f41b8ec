"""What a debtor sees who follows the link that ends reminders: one page with one button, and what became of it.

Without script and without anything from elsewhere. A page never shows an address or an account in full.
"""

from jinja2 import DictLoader, Environment, StrictUndefined

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{% block title %}{% endblock %}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 4rem auto; padding: 0 1rem; color: #1b1b1b; background: #fff }
h1 { font-size: 1.4rem }
button { font: inherit; padding: .7rem 1.4rem; border: 0; border-radius: .4rem; color: #fff; background: #0b57a4; cursor: pointer }
button:focus-visible { outline: 3px solid #f2a900; outline-offset: 2px }
</style>
</head>
<body><main>{% block main %}{% endblock %}</main></body>
</html>
"""
_TEMPLATES = {
    "page": _PAGE,
    "ask": """{% extends "page" %}
{% block title %}End reminders by mail{% endblock %}
{% block main %}<h1>End reminders by mail</h1>
<p>No more reminders of {{ creditor }} will be sent to {{ address }}. What is owed stays owed, and you may hear of it in other ways.</p>
<form method="post"><input type="hidden" name="List-Unsubscribe" value="One-Click"><button>Send me no more mail</button></form>
{% endblock %}
""",
    "done": """{% extends "page" %}
{% block title %}Reminders ended{% endblock %}
{% block main %}<h1>Reminders ended</h1>
<p>No more reminders of {{ creditor }} will be sent to {{ address }}.</p>{% endblock %}
""",
    "bad": """{% extends "page" %}
{% block title %}This link does not hold{% endblock %}
{% block main %}<h1>This link does not hold</h1>
<p>{% if expired %}Its time is over.{% else %}It is not whole; it may have been cut off.{% endif %}
Use the link of a newer mail, or answer that mail and say that you want no more.</p>{% endblock %}
""",
}
_environment = Environment(loader=DictLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined)


def ask_page(creditor: str, address: str) -> str:
    """Asks before anything happens: mail scanners follow links, people press buttons."""
    return _environment.get_template("ask").render(creditor=creditor, address=masked(address))


def done_page(creditor: str, address: str) -> str:
    """Tells that it happened."""
    return _environment.get_template("done").render(creditor=creditor, address=masked(address))


def bad_link_page(*, expired: bool) -> str:
    """Tells what to do with a link that opens nothing."""
    return _environment.get_template("bad").render(expired=expired)


def masked(address: str) -> str:
    """Enough of an address for its owner to know it, for the link may have been passed on."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"
