"""The steps by which a tensor starts, as lines of source."""

from __future__ import annotations

import builtins
from collections import Counter
from collections.abc import Sequence

from graphnas.codegen.code import Code, Hole, Local, concat, substituted, text
from graphnas.codegen.expressions import assignment_code, augmented, item_code, term_code
from graphnas.codegen.form import Item, Literal
from graphnas.codegen.literals import as_name, literal
from graphnas.ir.initial import TENSOR, Steps, is_write
from graphnas.ir.node import Arg, Call, Node, Ref, refs_in, transform

_TENSOR = -1
# Names that mean something else in `init_weights`.
TAKEN = frozenset((*dir(builtins), "torch", "nn", "F", "math", "operator", "self", "module", "name", "parameter"))


def needs_no_grad(steps: Steps) -> bool:
    """Whether the steps must run without gradients; the functions of `torch.nn.init` see to that themselves."""
    return any(not _target(step).startswith("torch.nn.init.") for step in steps)


def lines(steps: Steps, tensor: str) -> list[str]:
    """The lines that start a tensor.

    Args:
        steps: see `graphnas.ir.initial`.
        tensor: how the tensor is reached.
    """
    places = _places(steps)
    values: dict[int, Code] = {_TENSOR: text(tensor)}
    taken = set(TAKEN)
    found = []
    for number, step in enumerate(steps):
        code = _code(step, {other.name: place for place, other in enumerate(steps[:number])}, values)
        if is_write(step):
            found.append(_text(code))
        elif places[number] != number:
            values[number] = code
        else:
            name = _name(step, taken)
            found.append(f"{name} = {_text(code)}")
            values[number] = text(name)
    return found


def _target(step: Node) -> str:
    assert isinstance(step.op, Call)  # verify admits nothing else
    return step.op.target


def _places(steps: Sequence[Node]) -> list[int]:
    """Where each step is written: in its own line, or in that of the only one that reads it."""
    places = list(range(len(steps)))
    readers: dict[str, list[int]] = {}
    for place, step in enumerate(steps):
        for ref, count in Counter(refs_in((step.args, step.kwargs))).items():
            readers.setdefault(ref.name, []).extend([place] * count)
    for place in reversed(range(len(steps))):
        step, users = steps[place], readers.get(steps[place].name, [])
        if not is_write(step) and len(users) == 1:
            goal = places[users[0]]
            if not any(map(is_write, steps[place + 1 : goal])):
                places[place] = goal
    return places


def _code(step: Node, known: dict[str, int], values: dict[int, Code]) -> Code:
    def leaf(item: Arg) -> Arg:
        if isinstance(item, Ref):
            return Local(_TENSOR if item.name == TENSOR else known[item.name], item.item)
        return Literal(literal(item), item if type(item) is int else None)

    item = Item("function", _target(step), transform(step.args, leaf), transform(step.kwargs, leaf), where="a start")
    sign = augmented(item)
    if sign:
        code = concat(term_code(item.args[0]), f" {sign} ", term_code(item.args[1]))
    else:
        code = assignment_code(item) or item_code(item)
    return substituted(code, values)


def _text(code: Code) -> str:
    return "".join(part.text if isinstance(part, Hole) else str(part) for part in code.parts)


def _name(step: Node, taken: set[str]) -> str:
    stem = as_name(_target(step).rpartition(".")[2].strip("_"))
    stem = "part" if stem == "getitem" else stem
    stem = f"{stem}_values" if stem in TAKEN else stem
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name)
    return name
