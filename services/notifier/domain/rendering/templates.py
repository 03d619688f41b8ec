"""Templates: Liquid files, one for each stage and part of a message, compiled once.

A template sees only the facts it is given. A name it does not know, a loop or a text without end is an error that says where;
no template can make the process run away.
"""

from functools import cache, lru_cache, partial
from importlib import resources
from typing import ClassVar, Literal

from liquid import BoundTemplate, Environment, StrictUndefined
from liquid.exceptions import LiquidError
from markupsafe import escape

from services.notifier.domain.rendering.facts import Context, Stage
from services.notifier.domain.rendering.skeleton import facts_of, only_prints, shape_of, skeleton

Part = Literal["subject", "text", "html", "sms"]
_LONGEST = 1 << 20
_SHAPES = 64
_FOLDER = resources.files("services.notifier.domain").joinpath("templates")


class TemplateError(ValueError):
    """A template cannot be used; the text names file, line, what was found and what is expected."""


class _Limited(Environment):
    """Liquid with an end: loops, texts and variables of a template are bounded."""

    loop_iteration_limit: ClassVar[int | None] = 5_000
    output_stream_limit: ClassVar[int | None] = _LONGEST
    local_namespace_limit: ClassVar[int | None] = 1 << 16


_PLAIN = _Limited(undefined=StrictUndefined)
_HTML = _Limited(undefined=StrictUndefined, autoescape=True)


class Template:
    """One compiled template."""

    def __init__(self, file: str, source: str, *, html: bool = False) -> None:
        """Raises TemplateError unless `source` is Liquid. `file` is what errors name; values are escaped when `html`."""
        self.file, self._source = file, source
        try:
            self._compiled: BoundTemplate = (_HTML if html else _PLAIN).from_string(source, name=file)
        except LiquidError as problem:
            raise _explained(file, source, problem, "Liquid as `{{ creditor }}` and `{% for item in items %}`") from problem
        self._html, self._prints = html, only_prints(self._compiled, source)
        self._skeleton = lru_cache(maxsize=_SHAPES)(partial(skeleton, self._compiled.render))

    def render(self, context: Context) -> str:
        """The text. Raises TemplateError when the template names what it is not given, exceeds its limits or comes out blank."""
        try:
            text = self._printed(context) if self._prints else self._compiled.render(context)
        except LiquidError as problem:
            raise _explained(self.file, self._source, problem, f"one of {', '.join(context)}, within the limits") from problem
        if not text.strip() or "{{" in text or "{%" in text:
            raise TemplateError(f"{self.file}, line 1: found {text[:80]!r}; expected a text without template marks")
        return text

    def _printed(self, context: Context) -> str:
        facts = facts_of(context)
        text = self._skeleton(shape_of(context)).filled(list(map(escape, facts)) if self._html else facts)
        # A text near the limit is Liquid's to measure, in bytes.
        return text if len(text) <= _LONGEST // 4 else self._compiled.render(context)


def _explained(file: str, source: str, problem: LiquidError, expected: str) -> TemplateError:
    where = problem.context()
    line = where[0] if where else source.rstrip("\n").count("\n") + 1
    return TemplateError(f"{file}, line {line}: {problem.message}; expected {expected}")


@cache
def template(stage: Stage, part: Part) -> Template:
    """The default template of a stage for one part of a message."""
    file = f"{stage}.{part}.liquid"
    return Template(file, _FOLDER.joinpath(file).read_text("utf-8"), html=part == "html")
