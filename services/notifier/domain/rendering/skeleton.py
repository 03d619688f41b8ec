"""What a template says besides its facts, asked of Liquid once for each number of items and totals; then only facts are put in.

Liquid interprets a template anew with every mail, which costs more than all else of it. Most templates only print facts, and what they
say around them depends on how many there are and on no value. The parse tree tells which; Liquid renders the others each time.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count

from liquid import BoundTemplate
from liquid.ast import BlockNode, ConditionalBlockNode, Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, LoopExpression, Path
from liquid.builtin.output import OutputNode
from liquid.builtin.tags.for_tag import ForNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.expression import Expression

from services.notifier.domain.rendering.facts import Context, Item

Shape = tuple[int, int]
"""How many items, and how many totals."""
Loops = Mapping[object, str]
"""By loop variable the list that it goes through."""

_LISTS = frozenset({"items", "totals"})
_TEXTS = frozenset(Context.__annotations__) - _LISTS
_FIELDS = tuple(Item.__annotations__)
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"({_OPEN}[0-9]+{_CLOSE})")


class Skeleton:
    """The text of one shape with a gap for each fact: `parts` are texts and gaps by turns, `gaps` are places in `facts_of`."""

    def __init__(self, parts: list[str], gaps: list[int]) -> None:
        self._parts, self._gaps = parts, gaps

    def filled(self, facts: Sequence[str]) -> str:
        """The text with `facts`, in the order of `facts_of`."""
        parts = self._parts.copy()
        parts[1::2] = [facts[gap] for gap in self._gaps]
        return "".join(parts)


def skeleton(render: Callable[[Context], str], shape: Shape) -> Skeleton:
    """What a template that only prints says of any facts of this shape. Raises what Liquid raises."""
    marked = _marked(shape)
    places = {mark: place for place, mark in enumerate(facts_of(marked))}
    parts: list[str] = _MARK.split(render(marked))
    return Skeleton(parts, [places[mark] for mark in parts[1::2]])


def shape_of(context: Context) -> Shape:
    return len(context["items"]), len(context["totals"])


def facts_of(context: Context) -> list[str]:
    """Every text that a template can print, in one order."""
    facts = [context["creditor"], context["debtor"], context["payment_link"], context["unsubscribe_link"], context["reply_to"]]
    for item in context["items"]:
        facts += item["invoice"], item["amount"], item["due"]
    return facts + context["totals"]


def _marked(shape: Shape) -> Context:
    """Facts of that shape, each a mark of its own."""
    items, totals = shape
    marks = (f"{_OPEN}{number}{_CLOSE}" for number in count())
    return {
        "creditor": next(marks),
        "debtor": next(marks),
        "payment_link": next(marks),
        "unsubscribe_link": next(marks),
        "reply_to": next(marks),
        "items": [{"invoice": next(marks), "amount": next(marks), "due": next(marks)} for _ in range(items)],
        "totals": [next(marks) for _ in range(totals)],
    }


def only_prints(template: BoundTemplate, source: str) -> bool:
    """Whether no value decides about anything in this template: it is printed as it is, or not at all."""
    return _OPEN not in source and _all_print(template.nodes, {})


def _all_print(nodes: Iterable[Node], loops: Loops) -> bool:
    return all(_prints(node, loops) for node in nodes)


def _prints(node: Node, loops: Loops) -> bool:
    match node:
        case ContentNode():
            return True
        case OutputNode(expression=FilteredExpression(left=Path() as path, filters=filters)):
            return not filters and (_is_fact(path.location(), loops) or _is_count(path.location()))
        case BlockNode():
            return _all_print(node.nodes, loops)
        case IfNode():
            branches = [node.consequence, *node.alternatives, *([node.default] if node.default else [])]
            return _counts(node.condition) and _all_print(branches, loops)
        case ConditionalBlockNode():
            return _counts(node.expression) and _prints(node.block, loops)
        case ForNode(expression=LoopExpression(identifier=name, iterable=Path() as path, limit=None, offset=None)):
            through = path.location()
            if through not in {("items",), ("totals",)} or name in _TEXTS | _LISTS | {"forloop"}:
                return False
            return _prints(node.block, {**loops, name: str(through[0])}) and (node.default is None or _prints(node.default, loops))
        case _:
            return False


def _counts(expression: Expression) -> bool:
    """Whether a condition asks for nothing but numbers that the shape decides."""
    if isinstance(expression, Path):
        return _is_count(expression.location())
    return all(map(_counts, expression.children()))


def _is_fact(location: tuple[object, ...], loops: Loops) -> bool:
    """Whether a name is of one fact, by itself or of an element of a list: `debtor`, `total`, `item.due`, `items[0].due`."""
    first, *rest = location
    if first in loops:
        of = loops[first]
    elif first in _LISTS and rest and isinstance(rest[0], int):
        of, rest = str(first), rest[1:]
    else:
        return first in _TEXTS and not rest
    return not rest if of == "totals" else len(rest) == 1 and rest[0] in _FIELDS


def _is_count(location: tuple[object, ...]) -> bool:
    match location:
        case ("items" | "totals", "size") | ("forloop", str()):
            return True
        case _:
            return False
