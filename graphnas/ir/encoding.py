"""Graph → JSON. What is most frequent is written plainly (a list is a tuple), the rest under a tag."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from graphnas.errors import GraphError
from graphnas.ir.choice import Apply, Choice, Training
from graphnas.ir.frozen import FrozenDict, remembered
from graphnas.ir.node import (
    Arg,
    Built,
    Call,
    Choose,
    Constant,
    Device,
    Entry,
    Given,
    Input,
    Layer,
    List,
    Node,
    Op,
    Param,
    Parameter,
    Ref,
    Size,
    Slice,
    transform,
)
from graphnas.ir.source import Source, Target

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

FORMAT = 1
# What `json` reads and writes: None, bool, int, float, str, lists, and dicts with string keys.
Json: TypeAlias = Any


class Row(NamedTuple):
    """A part of a graph as JSON text, and the choices that it names by their labels."""

    text: str
    choices: tuple[Choice, ...]

    def within(self, choices: dict[str, Choice]) -> str:
        """The text, once its choices are entered into the table of the document."""
        for choice in self.choices:
            _enter(choice, choices)
        return self.text


def encode(graph: Graph, sources: bool = True) -> dict[str, str | list[str]]:
    """The fields of the graph as JSON texts, of lists the text of each row; each choice once in a table of its own.

    Args:
        graph: closed or open.
        sources: whether to keep the user's files and lines, which are no part of equality.

    Raises:
        GraphError: it holds a value that no file can hold, or one label stands for two choices.
    """
    choices = {**graph.choices}
    fields: dict[str, str | list[str]] = {
        "inputs": [json.dumps(_input(item)) for item in graph.inputs],
        "nodes": [_sourced(node, choices, sources) for node in graph.nodes],
        "output": json.dumps(value(graph.output, choices)),
        "constraints": [json.dumps(value(constraint, choices)) for constraint in graph.constraints],
        "modules": [_explained(entry, choices, sources) for entry in graph.modules],
        "formals": [f"[{json.dumps(path)}, {call}, {_formal(names)}]" for (path, call), names in graph.formals.items()],
    }
    table = [json.dumps(_choice(choice)) for choice in choices.values()]
    signature = [json.dumps(_parameter(parameter)) for parameter in graph.signature]
    return {"format": str(FORMAT), "name": json.dumps(graph.name), "signature": signature, "choices": table, **fields}


def _input(item: Input) -> Json:
    return {"name": item.name, "path": list(item.path), "shape": list(item.shape), "dtype": item.dtype}


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "kind": parameter.kind,
        "required": parameter.required,
        "fixed": parameter.fixed,
        "value": value(parameter.value, {}),
    }


def _choice(choice: Choice) -> Json:
    return {"label": choice.label, "options": [value(option, {}) for option in choice.options], "take": choice.take}


@remembered
def _formal(names: FrozenDict[Ref, str]) -> str:
    return json.dumps([[value(ref, {}), name] for ref, name in names.items()])


@remembered
def _entry(entry: Entry) -> Row:
    choices: dict[str, Choice] = {}
    fields = {
        "type": entry.type,
        "config": _settings(entry.config, choices),
        "frozen": list(entry.frozen),
        "same_as": entry.same_as,
        "initial": {name: [_step(step) for step in steps] for name, steps in entry.initial.items()},
    }
    row = {"path": entry.path, "kind": entry.kind, **{key: item for key, item in fields.items() if item}}
    return Row(json.dumps(row), tuple(choices.values()))


def _explained(entry: Entry, choices: dict[str, Choice], sources: bool) -> str:
    text = _entry(entry).within(choices)
    if not sources or not entry.opaque:
        return text
    why = {
        "reason": entry.opaque.reason,
        "source": _place(entry.opaque.source),
        "missing": entry.opaque.missing,
        "seen": [value(call, {}) for call in entry.opaque.seen],
    }
    return f'{text[:-1]}, "opaque": {json.dumps(why)}}}'


def _step(step: Node) -> Json:
    fields = {"args": [value(arg, {}) for arg in step.args], "kwargs": _settings(step.kwargs, {})}
    return {"name": step.name, "op": _op(step.op, {}), **{key: item for key, item in fields.items() if item}}


def _sourced(node: Node, choices: dict[str, Choice], sources: bool) -> str:
    text = _node(node).within(choices)
    if not sources:
        return text
    more = {"source": _place(node.source)} if node.source else {}
    if any(called := [list(size.called) for size in sizes_in((node.args, node.kwargs))]):
        more["sizes"] = called
    return "".join([text[:-1], *(f", {json.dumps(key)}: {json.dumps(item)}" for key, item in more.items()), "}"])


def sizes_in(tree: Arg) -> list[Size]:
    """The sizes of values in an argument tree, in order of appearance, with repeats."""
    found: list[Size] = []

    def leaf(item: Any) -> Any:
        found.extend([item] if type(item) is Size else [])
        return item

    transform(tree, leaf)
    return found


def _place(source: Source | None) -> Json:
    if source is None:
        return None
    return [source.file, source.line, *([_target(source.target)] if source.target else [])]


def _target(target: Target) -> Json:
    return target if isinstance(target, str) else [_target(part) for part in target]


@remembered
def _node(node: Node) -> Row:
    """Without the node's source."""
    choices: dict[str, Choice] = {}
    fields = {
        "args": [value(arg, choices) for arg in node.args],
        "kwargs": _settings(node.kwargs, choices),
        "scope": [[frame.path, frame.type, frame.call] for frame in node.scope],
        "when": value(node.when, choices),
        "after": list(node.after),
    }
    row = {"name": node.name, "op": _op(node.op, choices), **{key: item for key, item in fields.items() if item}}
    return Row(json.dumps(row), tuple(choices.values()))


def _op(op: Op, choices: dict[str, Choice]) -> Json:
    match op:
        case Layer(path=path, type=kind, config=config):
            return {"layer": path, "type": kind, "config": _settings(config, choices)}
        case Param(path=path, shape=shape):
            return {"param": path, "shape": value(shape, choices)}
        case Call(target=target):
            return {"call": target}
        case Choose(choice=choice, merge=merge):
            return {"choose": value(choice, choices), "merge": merge}


def _settings(settings: Mapping[str, Arg], choices: dict[str, Choice]) -> Json:
    return {key: value(item, choices) for key, item in settings.items()}


def value(tree: Arg, choices: dict[str, Choice]) -> Json:
    """An argument tree as JSON data; its choices are entered into `choices` and named by their labels.

    Raises:
        GraphError: a value that no file can hold, or a label that stands for another choice already.
    """
    kind = type(tree)
    if tree is None or kind is bool or kind is int or kind is str:
        return tree
    if kind is float:
        return tree if math.isfinite(tree) else {"float": repr(tree)}
    if kind is tuple:
        return [value(item, choices) for item in tree]
    if kind is FrozenDict:
        return {"dict": [[value(key, {}), value(item, choices)] for key, item in tree.items()]}
    return _tagged(tree, choices)


def _tagged(tree: Arg, choices: dict[str, Choice]) -> Json:
    match tree:
        case Ref(name=name, item=item):
            return {"ref": name, "item": list(item)} if item else {"ref": name}
        case Choice(label=label):
            _enter(tree, choices)
            return {"choice": label}
        case Apply(fn=fn, args=args):
            return {"apply": fn, "args": [value(arg, choices) for arg in args]}
        case Training():
            return {"training": True}
        case Size(of=ref, dim=dim):
            return {"size": value(ref, choices), "dim": dim}
        case Given(of=ref):
            return {"given": value(ref, choices)}
        case List(items=items):
            return {"list": [value(item, choices) for item in items]}
        case Slice(start=start, stop=stop, step=step):
            return {"slice": [value(end, choices) for end in (start, stop, step)]}
        case Constant(name=name):
            return {"constant": name}
        case Device(name=name):
            return {"device": name}
        case Built(type=kind, config=config):
            return {"built": kind, "config": {name: value(item, {}) for name, item in config.items()}}
        case complex():
            return {"complex": [value(tree.real, {}), value(tree.imag, {})]}
        case _ if tree is Ellipsis:
            return {"ellipsis": True}
    raise GraphError(
        f"a {type(tree).__name__} cannot be stored: {tree!r:.100}; a graph holds plain values and types of its own"
    )


def _enter(choice: Choice, choices: dict[str, Choice]) -> None:
    if choices.setdefault(choice.label, choice) != choice:
        raise GraphError(f"label {choice.label!r} stands for two choices; give them different labels")
