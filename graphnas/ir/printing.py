"""The text of a graph: what a person reads, and what a golden file compares."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from graphnas.ir.attributes import ATTRIBUTES
from graphnas.ir.choice import Apply, Choice, Expr, Training
from graphnas.ir.initial import is_write
from graphnas.ir.node import (
    Arg,
    Built,
    Call,
    Choose,
    Constant,
    Device,
    Entry,
    Frame,
    Given,
    Input,
    Layer,
    List,
    Node,
    Param,
    Parameter,
    Ref,
    Size,
    Slice,
)

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

INDENT = "  "
# Long dotted names that everybody abbreviates.
SHORT = {"torch.nn.functional.": "F.", "torch.Tensor.": "Tensor.", "torch.nn.": "", "graphnas.": ""}
# Methods that are written as operators; a reflected one has its operands swapped.
INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
    "and": "&",
    "or": "|",
    "xor": "^",
    "lshift": "<<",
    "rshift": ">>",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
}
OPERATORS = {
    **{f"torch.Tensor.__{name}__": f"{{0}} {sign} {{1}}" for name, sign in INFIX.items()},
    **{f"torch.Tensor.__r{name}__": f"{{1}} {sign} {{0}}" for name, sign in INFIX.items()},
    **{f"torch.Tensor.__i{name}__": f"{{0}} {sign}= {{1}}" for name, sign in INFIX.items()},
    "torch.Tensor.__neg__": "-{0}",
    "torch.Tensor.__invert__": "~{0}",
    "torch.Tensor.__getitem__": "{0}[{1}]",
    "torch.Tensor.__setitem__": "{0}[{1}] = {2}",
}


def text(graph: Graph, sources: bool = False) -> str:
    """The graph as text: inputs, nodes indented by module calls, what the module table adds, choices, constraints.

    Settings of a layer that are None are left out; everything else is printed. Equal graphs have equal texts.

    Args:
        graph: closed or open.
        sources: whether each node ends in the user's file and line.
    """
    lines = [f"{graph.name}({', '.join(map(_parameter, graph.signature))})"]
    lines += [INDENT + described(item) for item in graph.inputs]
    lines += _body(graph.nodes, sources)
    lines.append(f"{INDENT}return {argument(graph.output)}")
    lines += _section("modules", _remarks(graph))
    lines += _section("initialization", _starts(graph))
    lines += _section("choices", _choices(graph))
    lines += _section("constraints", map(expression, graph.constraints))
    return "\n".join(lines) + "\n"


def _section(title: str, rows: Iterable[str]) -> list[str]:
    indented = [INDENT + row for row in rows]
    return [title, *indented] if indented else []


def _parameter(parameter: Parameter) -> str:
    stars = {"var_positional": "*", "var_keyword": "**", "keyword": "keyword "}.get(parameter.kind, "")
    default = "" if parameter.required and not parameter.fixed else f"={argument(parameter.value)}"
    return f"{stars}{parameter.name}{default}{' (fixed)' if parameter.fixed else ''}"


def described(item: Input) -> str:
    """An input as text: name, dtype, shape, and its place among the arguments where the name does not say it."""
    path = _path(item.path)
    origin = "" if path == item.name else f" from {path}"
    return f"{item.name}: {short(item.dtype).removeprefix('torch.')}{list(item.shape)}{origin}"


def _path(steps: tuple[str | int, ...]) -> str:
    return "".join(str(step) if place == 0 else f"[{step!r}]" for place, step in enumerate(steps))


# ---------------------------------------------------------------- nodes
def _body(nodes: Iterable[Node], sources: bool) -> Iterator[str]:
    """One line a node, below a heading wherever a module call begins."""
    around: tuple[Frame, ...] = ()
    for node in nodes:
        common = sum(1 for _ in _common(around, node.scope))
        for depth in range(common, len(node.scope)):
            yield INDENT * (depth + 1) + _heading(node.scope[depth])
        around = node.scope
        line = INDENT * (len(around) + 1) + statement(node)
        yield f"{line}  # {node.source}" if sources and node.source else line


def _common(first: tuple[Frame, ...], second: tuple[Frame, ...]) -> Iterator[Frame]:
    for ours, theirs in zip(first, second, strict=False):
        if ours != theirs:
            return
        yield ours


def _heading(frame: Frame) -> str:
    return f"{called(frame)}: {short(frame.type)}"


def called(frame: Frame) -> str:
    """What the names of the nodes in a module call begin with."""
    return f"{frame.path}{f'@{frame.call}' if frame.call else ''}"


def statement(node: Node) -> str:
    """A node as one line: its name, what it computes, and under which condition."""
    when = f" when {expression(node.when)}" if node.when is not None else ""
    after = f" after {', '.join(node.after)}" if node.after else ""
    return f"{node.name} = {operation(node)}{when}{after}"


def operation(node: Node) -> str:
    """What a node computes, as one line."""
    match node.op:
        case Layer(path=path, type=kind, config=config):
            weights = "" if path == node.name else f" at {path}"
            return f"{short(kind)}({_settings(config)}){weights} ({_arguments(node)})"
        case Param(path=path, shape=shape):
            return f"parameter {path}{argument(List(shape))}"
        case Choose(choice=Choice() as choice, merge=merge):
            how = "" if choice.take == 1 else f" by {merge}"
            options = choice.options if len(choice.options) == len(node.args) else range(len(node.args))
            arms = (f"{argument(option)}: {argument(arm)}" for option, arm in zip(options, node.args, strict=True))
            return f"choose <{choice.label}>{how} {{{', '.join(arms)}}}"
        case Choose(choice=condition):
            return f"choose by {expression(condition)} ({_arguments(node)})"
        case Call(target=target) if target in ATTRIBUTES:
            return f"{short(target)} of {_arguments(node)}"
        case Call(target=target):
            return _call(target, node)


def _call(target: str, node: Node) -> str:
    form = OPERATORS.get(target)
    if (
        form is not None
        and not node.kwargs
        and f"{{{len(node.args) - 1}}}" in form
        and form.count("{") == len(node.args)
    ):
        return form.format(*(_operand(arg) for arg in node.args))
    return f"{short(target)}({_arguments(node)})"


def _operand(arg: Arg) -> str:
    plain = argument(arg)
    return f"({plain})" if isinstance(arg, Apply) and " " in plain and not plain.startswith("(") else plain


def _arguments(node: Node) -> str:
    return ", ".join([*map(argument, node.args), *(f"{key}={argument(value)}" for key, value in node.kwargs.items())])


def _settings(config: Mapping[str, Arg]) -> str:
    return ", ".join(f"{key}={argument(value)}" for key, value in config.items() if value is not None)


def short(name: str) -> str:
    """A dotted name as everybody abbreviates it."""
    for prefix, short in SHORT.items():
        if name.startswith(prefix):
            return short + name.removeprefix(prefix)
    return name


# ---------------------------------------------------------------- argument trees
def argument(tree: Arg) -> str:
    """An argument tree as text: references by name, choices as `<label>`, the rest as in Python."""
    match tree:
        case Ref(name=name, item=item):
            return name + "".join(f"[{step!r}]" for step in item)
        case Expr():
            return expression(tree)
        case Constant(name=name):
            return name
        case Device(name=name):
            return f"device({name!r})"
        case Built(type=kind, config=config):
            return f"{kind}({', '.join(f'{name}={argument(item)}' for name, item in config.items())})"
        case Slice(start=start, stop=stop, step=step):
            ends = ":".join("" if end is None else argument(end) for end in (start, stop))
            return ends if step is None else f"{ends}:{argument(step)}"
        case List(items=items):
            return f"[{', '.join(map(argument, items))}]"
        case tuple():
            return f"({', '.join(map(argument, tree))}{',' if len(tree) == 1 else ''})"
        case dict():
            return f"{{{', '.join(f'{argument(key)}: {argument(value)}' for key, value in tree.items())}}}"
        case _ if tree is Ellipsis:
            return "..."
        case _:
            return repr(tree)


def expression(tree: Arg) -> str:
    """An expression as text, with parentheses around every inner operation."""
    match tree:
        case Choice(label=label):
            return f"<{label}>"
        case Training():
            return "training"
        case Size(of=ref, dim=dim):
            return f"{argument(ref)}.numel()" if dim is None else f"{argument(ref)}.shape[{dim}]"
        case Given(of=ref):
            return f"given({argument(ref)})"
        case Apply(fn="if", args=(condition, yes, no)):
            return f"{_inner(yes)} if {_inner(condition)} else {_inner(no)}"
        case Apply(fn="not", args=(item,)):
            return f"not {_inner(item)}"
        case Apply(fn="neg", args=(item,)):
            return f"-{_inner(item)}"
        case Apply(fn=fn, args=args) if len(args) == 2 and (not fn.isalpha() or fn in ("and", "or", "in", "implies")):
            return f"{_inner(args[0])} {fn} {_inner(args[1])}"
        case Apply(fn=fn, args=args):
            return f"{fn}({', '.join(map(argument, args))})"
        case _:
            return argument(tree)


def brief(tree: Arg) -> str:
    """An expression in a message: of a long one, such as a cost, the beginning and the end."""
    text = expression(tree)
    return text if len(text) <= 200 else f"{text[:100]} ... {text[-60:]}"


def _inner(tree: Arg) -> str:
    plain = argument(tree)
    return f"({plain})" if isinstance(tree, Apply) and " " in plain else plain


# ---------------------------------------------------------------- what stands below the nodes
def _remarks(graph: Graph) -> Iterator[str]:
    """What the module table says beyond the nodes: ties, opaque modules, frozen and unused parts."""
    used = {node.op.path for node in graph.nodes if isinstance(node.op, Layer | Param)}
    for entry in graph.modules:
        remark = _remark(entry, entry.path in used)
        if remark:
            yield f"{entry.path}: {remark}"


def _remark(entry: Entry, used: bool) -> str:
    if entry.same_as:
        return f"the same as {entry.same_as}"
    if entry.opaque is not None:
        place = f" ({entry.opaque.source})" if entry.opaque.source else ""
        return f"opaque {entry.type}: {entry.opaque.reason}{place}"
    match entry.kind:
        case "layer" if not used:
            return f"{short(entry.type)}({_settings(entry.config)}), not used"
        case "layer" if entry.frozen:
            return f"no gradient for {', '.join(entry.frozen)}"
        case "parameter" | "buffer" | "constant" if not used:
            return f"{entry.kind} {argument(entry.config.get('shape'))}, not used"
        case _:
            return ""


def _starts(graph: Graph) -> Iterator[str]:
    """How tensors start, each way once with the tensors that start so."""
    ways: dict[str, list[str]] = {}
    for entry in graph.modules:
        for name, steps in entry.initial.items():
            way = "; ".join(map(_start, steps))
            ways.setdefault(way, []).append(f"{entry.path}.{name}".strip("."))
    for way, names in ways.items():
        yield from textwrap.wrap(f"{way}: {', '.join(names)}", 118, subsequent_indent=INDENT, break_long_words=False)


def _start(step: Node) -> str:
    written = operation(step)
    return written if is_write(step) else f"{step.name} = {written}"


def _choices(graph: Graph) -> Iterator[str]:
    """The table of choices: label, options, and the nodes that depend on it."""
    places: dict[str, list[str]] = {label: [] for label in graph.choices}
    for node in graph.nodes:
        for choice in node.choices:
            places[choice.label].append(node.name)
    width = max(map(len, places), default=0)
    for label, choice in graph.choices.items():
        where = f" at {', '.join(places[label])}" if places[label] else ""
        yield f"{label:{width}} {choice.manner} {' | '.join(map(argument, choice.options))}{where}"
