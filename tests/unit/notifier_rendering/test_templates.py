"""What a template may do, and what its errors say."""

from typing import get_args

import pytest

from services.notifier.domain.rendering.facts import STAGES, Context, Facts, Stage, template_context
from services.notifier.domain.rendering.templates import Part, Template, TemplateError, template


@pytest.fixture
def context(facts: Facts) -> Context:
    return template_context(facts)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("part", get_args(Part))
def test_there_is_a_default_template_for_every_stage_and_part(stage: Stage, part: Part, context: Context) -> None:
    assert template(stage, part).render(context).strip()
    assert template(stage, part) is template(stage, part)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("Dear\n{{ creditr }}", r"firm.text.liquid, line 2: 'creditr' is undefined; expected one of creditor, debtor, items"),
        ("{% for i in items %}\n\n{{ i.amont }}{% endfor %}", r"firm.text.liquid, line 3: .*amont.* is undefined"),
        ("{% if nothing %}x{% endif %}", "line 1: 'nothing' is undefined"),
        ("a\nb\n{% for x in items %}", "line 3: expected tag endfor.*; expected Liquid"),
        ("a\n{{ creditor | shout }}", "line 2: unknown filter 'shout'"),
        ("{% include 'other' %}", "line 1: .*other"),
        ("{% for a in (1..999999) %}x{% endfor %}", "line 1: loop iteration limit reached"),
        ("{% for a in (1..4000) %}{{ creditor }}" + "x" * 400 + "{% endfor %}", "line 1: output stream limit reached"),
        ("  \n", "line 1: found .* expected a text"),
        ("{% raw %}{{ creditor }}{% endraw %}", "line 1: found .* without template marks"),
    ],
)
def test_an_error_says_file_line_what_was_found_and_what_is_expected(source: str, message: str, context: Context) -> None:
    with pytest.raises(TemplateError, match=message):
        Template("firm.text.liquid", source).render(context)


def test_values_are_escaped_in_html_alone(context: Context) -> None:
    context["debtor"] = "<b>"
    assert Template("x.html.liquid", "{{ debtor }}", html=True).render(context) == "&lt;b&gt;"
    assert Template("x.text.liquid", "{{ debtor }}").render(context) == "<b>"
