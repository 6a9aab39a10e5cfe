"""Plain JSON data → graph, strictly: nothing is guessed, skipped, evaluated, imported or looked up.

Every message says where in the document the trouble is, as in `nodes[3].op.config.stride`.
"""

from __future__ import annotations

from dataclasses import replace

from graphnas.errors import GraphError, nearest
from graphnas.ir.choice import FUNCTIONS, TRAINING, Apply, Choice, Expr
from graphnas.ir.document import Repeated, fields, flag, integer, refuse, row, sequence, shown, step, text
from graphnas.ir.encoding import FORMAT, Json, sizes_in
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Formals, Graph
from graphnas.ir.naming import is_identifier
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
    Op,
    Param,
    Parameter,
    Ref,
    Size,
    Slice,
    transform,
)
from graphnas.ir.opaque import Opaque
from graphnas.ir.source import Source, Target

Choices = dict[str, Choice]


def decode(data: Json) -> Graph:
    """The graph that the data describes; it is well-typed but not yet verified.

    Raises:
        GraphError: the data is not what `encode` writes; the message says where.
    """
    where = "the document"
    if type(data) is not dict or "format" not in data:
        refuse("this is not a graph of graphnas", where, 'It is an object with "format": 1.')
    version = integer(data["format"], "format")
    if version > FORMAT:
        refuse(f"the graph has the format {version}, newer than {FORMAT}", "format", "Update graphnas to read it.")
    if version != FORMAT:
        refuse(f"there is no format {version}", "format", f"This is format {FORMAT}.")
    names = ("name", "signature", "choices", "inputs", "nodes", "output", "constraints", "modules", "formals")
    found = fields(data, where, ("format", *names))
    choices: Choices = {}
    for choice in sequence(found["choices"], "choices", _choice):
        if choices.setdefault(choice.label, choice) is not choice:
            refuse(f"label {choice.label!r:.100} stands for two choices", "choices", "One label is one decision.")
    return Graph(
        inputs=sequence(found["inputs"], "inputs", _input),
        nodes=sequence(found["nodes"], "nodes", lambda item, where: _node(item, where, choices)),
        output=value(found["output"], "output", choices),
        constraints=sequence(found["constraints"], "constraints", lambda item, where: _expr(item, where, choices)),
        modules=sequence(found["modules"], "modules", lambda item, where: _entry(item, where, choices)),
        formals=_formals(found["formals"], choices),
        name=text(found["name"], "name"),
        signature=sequence(found["signature"], "signature", _parameter),
    )


# ---------------------------------------------------------------- what surrounds the nodes
def _choice(data: Json, where: str) -> Choice:
    found = fields(data, where, ("label", "options", "take"))
    take = found["take"] if found["take"] is None else integer(found["take"], f"{where}.take")
    options = sequence(found["options"], f"{where}.options", lambda item, place: value(item, place, {}))
    try:
        return Choice(text(found["label"], f"{where}.label"), options, take)
    except (ValueError, TypeError) as error:
        raise GraphError(f"{error}\n  at {where}. Options are distinct scalars or tuples of scalars.") from error


def _input(data: Json, where: str) -> Input:
    found = fields(data, where, ("name", "path", "shape", "dtype"))
    return Input(
        text(found["name"], f"{where}.name"),
        sequence(found["path"], f"{where}.path", step),
        sequence(found["shape"], f"{where}.shape", integer),
        text(found["dtype"], f"{where}.dtype"),
    )


def _parameter(data: Json, where: str) -> Parameter:
    found = fields(data, where, ("name", "kind", "required", "fixed", "value"))
    return Parameter(
        text(found["name"], f"{where}.name"),
        text(found["kind"], f"{where}.kind"),
        flag(found["required"], f"{where}.required"),
        flag(found["fixed"], f"{where}.fixed"),
        value(found["value"], f"{where}.value", {}),
    )


def _entry(data: Json, where: str, choices: Choices) -> Entry:
    found = fields(data, where, ("path", "kind"), ("type", "config", "frozen", "same_as", "opaque", "initial"))
    return Entry(
        text(found["path"], f"{where}.path"),
        text(found["kind"], f"{where}.kind"),
        text(found.get("type", ""), f"{where}.type"),
        _settings(found.get("config", {}), f"{where}.config", choices),
        sequence(found.get("frozen", []), f"{where}.frozen", text),
        text(found.get("same_as", ""), f"{where}.same_as"),
        _opaque(found["opaque"], f"{where}.opaque") if "opaque" in found else None,
        _initial(found.get("initial", {}), f"{where}.initial"),
    )


def _opaque(data: Json, where: str) -> Opaque:
    found = fields(data, where, ("reason", "source", "missing", "seen"), ())
    return Opaque(
        text(found["reason"], f"{where}.reason"),
        _source(found["source"], f"{where}.source"),
        text(found["missing"], f"{where}.missing"),
        sequence(found["seen"], f"{where}.seen", lambda data, where: _call(data, where)),
    )


def _call(data: Json, where: str) -> tuple[tuple[Arg, ...], FrozenDict[str, Arg], Arg]:
    match value(data, where, {}):
        case (tuple() as args, FrozenDict() as kwargs, result):
            return args, kwargs, result
    refuse(f"{shown(data)} is not a call", where, "Expected arguments, keyword arguments and a result.")


def _initial(data: Json, where: str) -> FrozenDict[str, tuple[Node, ...]]:
    if type(data) is not dict:
        refuse(f"{shown(data)} is not an object", where, "Expected steps by the names of tensors.")
    return FrozenDict({name: sequence(steps, f"{where}.{name:.100}", _step) for name, steps in data.items()})


def _step(data: Json, where: str) -> Node:
    found = fields(data, where, ("name", "op"), ("args", "kwargs"))
    return _node(found, where, {})


def _formals(data: Json, choices: Choices) -> Formals:
    calls: dict[tuple[str, int], FrozenDict[Ref, str]] = {}
    for place, item in enumerate(sequence(data, "formals", lambda data, where: row(data, where, 3))):
        where = f"formals[{place}]"
        path, call, named = item
        key = (text(path, f"{where}[0]"), integer(call, f"{where}[1]"))
        names: dict[Ref, str] = {}
        for pair in sequence(named, f"{where}[2]", lambda data, where: row(data, where, 2)):
            ref = value(pair[0], f"{where}[2]", choices)
            if type(ref) is not Ref or ref in names:
                refuse(
                    f"{shown(pair[0])} is not a reference, or is there twice", where, "Expected distinct references."
                )
            names[ref] = text(pair[1], f"{where}[2]")
        if key in calls:
            refuse(f"the call {key!r:.100} is there twice", where, "Remove one of them.")
        calls[key] = FrozenDict(names)
    return FrozenDict(calls)


# ---------------------------------------------------------------- nodes
def _node(data: Json, where: str, choices: Choices) -> Node:
    found = fields(data, where, ("name", "op"), ("args", "kwargs", "scope", "when", "after", "source", "sizes"))
    when = found.get("when")
    args = sequence(found.get("args", []), f"{where}.args", lambda item, place: value(item, place, choices))
    kwargs = _settings(found.get("kwargs", {}), f"{where}.kwargs", choices)
    args, kwargs = _called((args, kwargs), found.get("sizes", []), f"{where}.sizes")
    return Node(
        text(found["name"], f"{where}.name"),
        _op(found["op"], f"{where}.op", choices),
        args,
        kwargs,
        sequence(found.get("scope", []), f"{where}.scope", _frame),
        None if when is None else _expr(when, f"{where}.when", choices),
        sequence(found.get("after", []), f"{where}.after", text),
        _source(found.get("source"), f"{where}.source"),
    )


def _called(tree: Arg, data: Json, where: str) -> Arg:
    """The tree with what the user's code calls the sizes in it."""
    names = sequence(data, where, lambda item, place: sequence(item, place, _variable))
    if not names:
        return tree
    if len(names) != len(sizes_in(tree)):
        refuse("these are not as many as there are sizes", where, "Write [] for a size without names, or leave it out.")
    left = iter(names)
    return transform(tree, lambda leaf: replace(leaf, called=next(left)) if type(leaf) is Size else leaf)


def _source(data: Json, where: str) -> Source | None:
    if data is None:
        return None
    file, line, *target = row(data, where, 3 if isinstance(data, list) and len(data) == 3 else 2)
    found = _target(target[0], f"{where}[2]") if target else ""
    return Source(text(file, f"{where}[0]"), integer(line, f"{where}[1]"), found)


def _target(data: Json, where: str) -> Target:
    return sequence(data, where, _target) if isinstance(data, list) else _variable(data, where)


def _variable(data: Json, where: str) -> str:
    found = text(data, where)
    if found and not is_identifier(found):
        refuse(f"{found!r:.100} is no name of a variable", where, "Write the name of a variable, or leave it out.")
    return found


def _frame(data: Json, where: str) -> Frame:
    path, kind, call = row(data, where, 3)
    return Frame(text(path, f"{where}[0]"), text(kind, f"{where}[1]"), integer(call, f"{where}[2]"))


def _op(data: Json, where: str, choices: Choices) -> Op:
    match data:
        case {"layer": path}:
            found = fields(data, where, ("layer", "type", "config"))
            config = _settings(found["config"], f"{where}.config", choices)
            return Layer(text(path, f"{where}.layer"), text(found["type"], f"{where}.type"), config)
        case {"param": path}:
            shape = value(fields(data, where, ("param", "shape"))["shape"], f"{where}.shape", choices)
            if type(shape) is not tuple:
                refuse(f"{shown(data['shape'])} is not a shape", f"{where}.shape", "Expected a list of sizes.")
            return Param(text(path, f"{where}.param"), shape)
        case {"call": target}:
            fields(data, where, ("call",))
            return Call(text(target, f"{where}.call"))
        case {"choose": choice}:
            merge = text(fields(data, where, ("choose", "merge"))["merge"], f"{where}.merge")
            return Choose(_expr(choice, f"{where}.choose", choices), merge)
        case _:
            refuse(f"{shown(data)} is not an operation", where, "Expected a layer, param, call or choose.")


def _settings(data: Json, where: str, choices: Choices) -> FrozenDict[str, Arg]:
    if type(data) is not dict:
        refuse(f"{shown(data)} is not an object", where, "Expected the arguments by name.")
    return FrozenDict({key: value(item, f"{where}.{key:.100}", choices) for key, item in data.items()})


def _expr(data: Json, where: str, choices: Choices) -> Expr:
    tree = value(data, where, choices)
    if not isinstance(tree, Expr):
        refuse(f"{shown(data)} is not an expression", where, "Expected an expression.")
    return tree


# ---------------------------------------------------------------- argument trees
def value(data: Json, where: str, choices: Choices) -> Arg:
    """An argument tree.

    Raises:
        GraphError: an unknown tag, a wrong type, or a choice that is not in the table.
    """
    kind = type(data)
    if kind is list:
        return tuple([value(item, f"{where}[{place}]", choices) for place, item in enumerate(data)])
    if kind is Repeated:
        refuse(f"{data.key!r:.100} stands twice in one object", where, "Remove one of them.")
    return _tagged(data, where, choices) if kind is dict else data


def _tagged(data: Json, where: str, choices: Choices) -> Arg:
    match data:
        case {"ref": name, **rest} if not rest:
            return Ref(text(name, where))
        case {"ref": name, "item": item, **rest} if not rest:
            return Ref(text(name, where), sequence(item, f"{where}.item", step))
        case {"choice": label, **rest} if not rest:
            if text(label, where) not in choices:
                refuse(
                    f"choice {label!r:.100} is not in the table.{nearest(label, choices)}", where, "Add it to choices."
                )
            return choices[label]
        case {"apply": fn, "args": args, **rest} if not rest:
            if text(fn, where) not in FUNCTIONS:
                refuse(f"an expression cannot apply {fn!r:.100}", where, f"It has {', '.join(FUNCTIONS)}.")
            return Apply(fn, sequence(args, f"{where}.args", lambda item, place: value(item, place, choices)))
        case {"size": ref, "dim": dim, **rest} if not rest:
            of = _reference(ref, f"{where}.size", choices)
            return Size(of, None if dim is None else integer(dim, f"{where}.dim"))
        case {"given": ref, **rest} if not rest:
            return Given(_reference(ref, f"{where}.given", choices))
        case {"list": items, **rest} if not rest:
            return List(sequence(items, f"{where}.list", lambda item, place: value(item, place, choices)))
        case {"slice": ends, **rest} if not rest:
            return Slice(*(value(end, f"{where}.slice", choices) for end in row(ends, f"{where}.slice", 3)))
        case {"dict": pairs, **rest} if not rest:
            return _dict(pairs, f"{where}.dict", choices)
        case {"training": True, **rest} if not rest:
            return TRAINING
        case _:
            return _constant(data, where)


def _reference(data: Json, where: str, choices: Choices) -> Ref:
    found = value(data, where, choices)
    if type(found) is not Ref:
        refuse(f"{shown(data)} is not a reference", where, "Sizes are those of values, and inputs are values.")
    return found


def _constant(data: Json, where: str) -> Arg:
    match data:
        case {"constant": name, **rest} if not rest:
            return Constant(text(name, where))
        case {"device": name, **rest} if not rest:
            return Device(text(name, where))
        case {"built": kind, "config": config, **rest} if not rest:
            return Built(text(kind, where), _settings(config, f"{where}.config", {}))
        case {"float": "nan" | "inf" | "-inf" as name, **rest} if not rest:
            return float(name)
        case {"complex": [real, imaginary], **rest} if not rest:
            parts = (value(real, where, {}), value(imaginary, where, {}))
            if all(type(part) is float for part in parts):
                return complex(*parts)
        case {"ellipsis": True, **rest} if not rest:
            return Ellipsis
        case _:
            pass
    refuse(f"{shown(data)} is not a value", where, "Use a tag that graphnas writes, such as ref, choice or constant.")


def _dict(data: Json, where: str, choices: Choices) -> FrozenDict[Arg, Arg]:
    found: dict[Arg, Arg] = {}
    for pair in sequence(data, where, lambda item, place: row(item, place, 2)):
        key = value(pair[0], where, {})
        if not isinstance(key, str | int | float | None | bool) or key in found:
            refuse(f"{shown(pair[0])} is not a key, or is there twice", where, "Expected distinct scalars.")
        found[key] = value(pair[1], f"{where}[{key!r:.100}]", choices)
    return FrozenDict(found)
