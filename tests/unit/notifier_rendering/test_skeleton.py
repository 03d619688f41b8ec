"""A template that only prints says through its skeleton what Liquid says each time; what decides by a value is left to Liquid."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from liquid import BoundTemplate
from liquid.exceptions import LiquidError

from services.notifier.domain.rendering.facts import STAGES, Context, Facts, Stage, template_context
from services.notifier.domain.rendering.templates import Part, Template, TemplateError, template

# As facts are checked before they are stated: no control characters. Marks of ours may well stand in them.
_TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from("<&'\"{%}\ue000\ue0010"), min_size=1, max_size=12)
_CONTEXTS = st.builds(
    Context,
    creditor=_TEXT,
    debtor=_TEXT,
    items=st.lists(st.fixed_dictionaries({"invoice": _TEXT, "amount": _TEXT, "due": _TEXT}), min_size=1, max_size=4),
    totals=st.lists(_TEXT, min_size=1, max_size=3),
    payment_link=_TEXT,
    unsubscribe_link=_TEXT,
    reply_to=_TEXT,
)

PRINTING = [
    "{{ debtor }} {{ creditor }} {{ payment_link }} {{ unsubscribe_link }} {{ reply_to }}",
    "{{ items[0].invoice }} {{ items[-1].due }} {{ totals[0] }} {{ items.size }} {{ totals.size }}",
    "{% for i in items %}{{ forloop.index }}: {{ i.invoice }}{% endfor %}",
    "{% for i in items reversed %}{% for t in totals %}{{ t }}{% if forloop.last %}.{% else %};{% endif %}{% endfor %}{% endfor %}",
    "{% for i in items %}{% for i in totals %}{{ i }}{% endfor %}{{ i.due }}{% else %}nothing{% endfor %}",
    "{% if items.size == 1 %}{{ debtor }}{% elsif items.size > 2 and totals.size == 1 %}{{ totals[0] }}{% else %}many{% endif %}",
    "x{% if items.size > 1 %}  {% endif %}y{% for t in totals %} {% endfor %}",
]
DECIDING = [
    "{{ debtor | upcase }}",
    "{{ items | size }}",
    "{{ items[0] }}",
    "x{{ items }}",
    "{{ debtor.size }}",
    "x{{ debtor[0] }}",
    "{% for i in items %}{{ forloop[debtor] }}{% endfor %}",
    "{% for i in items %}{{ i[debtor] }}{% endfor %}",
    "{{ items[0].invoice.size }}",
    "{% if debtor == 'a' %}a{% else %}b{% endif %}",
    "{% if items[0].amount contains '1' %}a{% else %}b{% endif %}",
    "{% for t in totals %}{% if t == 'a' %}a{% else %}b{% endif %}{% endfor %}",
    "{% for c in debtor %}{{ c }}{% endfor %}",
    "{% for items in totals %}{{ items.size }}{% endfor %}",
    "{% for i in items %}{% for p in i %}{{ p[1] }}{% endfor %}{% endfor %}",
    "{% for i in items limit: debtor.size %}{{ i.due }}{% endfor %}",
    "{% assign debtor = creditor %}{{ debtor }}",
    "{% capture debtor %}{{ creditor.size }}{% endcapture %}{{ debtor }}",
    "{% case debtor %}{% when 'a' %}a{% else %}b{% endcase %}",
    "{% unless debtor == 'a' %}a{% else %}b{% endunless %}",
    "{% cycle debtor, creditor %}",
    "\ue0003\ue001 {{ debtor }}",
]


def _by_liquid(used: Template, context: Context) -> str:
    """What Liquid says; nothing where it refuses."""
    compiled: BoundTemplate = used._compiled
    try:
        return compiled.render(context)
    except LiquidError:
        return ""


def _same(used: Template, context: Context) -> None:
    expected = _by_liquid(used, context)
    if expected.strip() and "{{" not in expected and "{%" not in expected:
        assert used.render(context) == expected
    else:
        with pytest.raises(TemplateError):
            used.render(context)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("part", get_args(Part))
@given(context=_CONTEXTS)
@settings(max_examples=20)
def test_the_default_templates_say_what_liquid_says(stage: Stage, part: Part, context: Context) -> None:
    assert template(stage, part)._prints
    _same(template(stage, part), context)


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("source", PRINTING)
@given(context=_CONTEXTS)
@settings(max_examples=20)
def test_what_only_prints_says_what_liquid_says(source: str, html: bool, context: Context) -> None:
    used = Template("x", source, html=html)
    assert used._prints
    _same(used, context)


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("source", DECIDING)
@given(context=_CONTEXTS)
@settings(max_examples=20)
def test_what_decides_by_a_value_is_liquids(source: str, html: bool, context: Context) -> None:
    used = Template("x", source, html=html)
    assert not used._prints
    _same(used, context)


@pytest.mark.parametrize("told", ["index", "invoice"])
def test_a_fact_that_is_the_name_of_another_is_read_as_one(facts: Facts, told: str) -> None:
    context = template_context(facts)
    context["debtor"] = told
    source = (
        "{% for i in items %}{{ forloop[debtor] }}{% endfor %}" if told == "index" else "{% for i in items %}{{ i[debtor] }}{% endfor %}"
    )
    assert Template("x", source).render(context) == {"index": "1", "invoice": "611365"}[told]


def test_a_text_may_not_be_longer_than_liquid_lets_it_be(facts: Facts) -> None:
    context = template_context(facts)
    used = Template("x", "{{ debtor }}")
    context["debtor"] = "ü" * (1 << 19)
    assert used.render(context) == context["debtor"]
    context["debtor"] += "ü"
    with pytest.raises(TemplateError, match="output stream limit reached"):
        used.render(context)
