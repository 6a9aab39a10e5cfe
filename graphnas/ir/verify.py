"""What every graph must satisfy; whatever passes here can be printed, stored, specialized and emitted safely.

A graph from somebody else is verified before anything is done with it: names are names, call targets and layer types
come from the tables of `targets` or from modules that the caller allows, and values are plain data of bounded size.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from graphnas.errors import nearest
from graphnas.ir import targets
from graphnas.ir.arithmetic import check_arithmetic
from graphnas.ir.choice import Apply, Choice, Expr, choices_in
from graphnas.ir.hazards import check_hazards
from graphnas.ir.modules import check_modules, owner
from graphnas.ir.naming import is_allowed, is_identifier, is_line, is_node_name, is_path, permission
from graphnas.ir.node import (
    ALIAS,
    ARGUMENT,
    ENTER_AUTOCAST,
    ENTER_GRAD_MODE,
    EXIT_AUTOCAST,
    EXIT_GRAD_MODE,
    GUARD,
    MERGES,
    SET_DATA,
    Arg,
    Call,
    Choose,
    Layer,
    Node,
    Param,
    Ref,
)
from graphnas.ir.scopes import check_scopes
from graphnas.ir.source import Source
from graphnas.ir.values import check_value, is_boolean, objects, refuse

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph

KINDS = ("positional", "keyword", "var_positional", "var_keyword")
_OWN_ARITY = {GUARD: 2, ALIAS: 1, SET_DATA: 2, ARGUMENT: 2}
_OWN_ARITY |= {ENTER_GRAD_MODE: 1, EXIT_GRAD_MODE: 1, ENTER_AUTOCAST: 1, EXIT_AUTOCAST: 0}


def verify(graph: Graph, allow: Collection[str] = ()) -> None:
    """Checks that a graph is valid.

    Args:
        graph: closed or open.
        allow: modules beyond torch whose functions and layers it may name, each spelled out: `torchvision.ops` allows
            `torchvision.ops.roi_align`, but nothing of `torchvision.ops.misc`.

    Raises:
        GraphError: it is not; the message names the node, its source, and what to do.
    """
    _check_head(graph)
    check_modules(graph, allow)
    _check_nodes(graph, allow)
    check_scopes(graph)
    known = {item.name for item in graph.inputs} | set(graph.by_name)
    check_value(graph.output, known, "the output")
    _check_formals(graph, known)
    for constraint in graph.constraints:
        _check_constraint(constraint)
    _ = graph.choices  # raises where one label stands for two choices
    check_arithmetic(graph)
    check_hazards(graph)
    _check_needed(graph)


def _check_needed(graph: Graph) -> None:
    live = graph.flow.live({})
    for node, needed in zip(graph.nodes, live, strict=False):
        if not needed:
            refuse(
                f"{node.name!r} is needed neither by the output nor by an effect of a live module call",
                node.where,
                "graphnas.ir.specialize.prune drops such nodes.",
            )


def foreign(graph: Graph) -> tuple[str, ...]:
    """The modules beyond the tables that a graph names: what `allow` must hold for it to pass."""
    types = {entry.type for entry in graph.modules if entry.kind == "layer"}
    types |= {str(entry.config["base"]) for entry in graph.modules if entry.kind == "module" and "base" in entry.config}
    types |= {entry.type for entry in graph.modules if entry.kind == "module" and "." in entry.type}
    types |= {held.type for entry in graph.modules for held in objects(entry.config)} - targets.NAMESPACES
    called = {node.op.target for node in graph.nodes if isinstance(node.op, Call)}
    outside = (types - targets.LAYERS - targets.CONTAINERS) | (called - targets.TARGETS)
    return tuple(sorted({name.rpartition(".")[0] for name in outside} - {""}))


# ---------------------------------------------------------------- what surrounds the nodes
def _check_head(graph: Graph) -> None:
    if not is_identifier(graph.name):
        refuse(f"{graph.name!r:.100} is not the name of a class", "the graph", "Name it by an identifier.")
    names: list[str] = []
    for parameter in graph.signature:
        where = f"the signature of {graph.name}"
        if not is_identifier(parameter.name):
            refuse(f"{parameter.name!r:.100} is not the name of a parameter", where, "Name it by an identifier.")
        if parameter.kind not in KINDS:
            refuse(f"{parameter.kind!r:.100} is not a kind of parameter", where, f"Kinds are {', '.join(KINDS)}.")
        check_value(parameter.value, (), f"the default of {parameter.name}")
        names.append(parameter.name)
    _check_unique(names, "parameters")
    for item in graph.inputs:
        where = f"input {item.name!r:.100}"
        if not is_node_name(item.name):
            refuse(f"{item.name!r:.100} is not the name of an input", "the inputs", "Name it by dotted words.")
        if item.dtype not in targets.CONSTANTS:
            refuse(f"{item.dtype!r:.100} is not a dtype", where, "Write its public name, such as torch.float32.")
        if any(type(extent) is not int or extent < 0 for extent in item.shape):
            refuse(f"{item.shape!r:.100} is not a shape", where, "A shape is a tuple of sizes.")
        _check_input_path(item.path, names, where)
    _check_unique([*(item.name for item in graph.inputs), *(node.name for node in graph.nodes)], "inputs and nodes")


def _check_input_path(path: tuple[str | int, ...], parameters: list[str], where: str) -> None:
    if not path or not is_identifier(path[0]) or (parameters and path[0] not in parameters):
        refuse(f"{path!r:.100} does not begin with a parameter of forward", where, f"It has {', '.join(parameters)}.")
    if not all(type(step) is int or is_line(step) for step in path):
        refuse(f"{path!r:.100} is not a path into the arguments", where, "Go on with keys and indices.")


def _check_unique(names: Sequence[str], what: str) -> None:
    if len(set(names)) != len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        refuse(f"two {what} are called {twice!r}", "the graph", "Rename one of them.")


def _check_formals(graph: Graph, known: Collection[str]) -> None:
    for key, values in graph.formals.items():
        where = f"the formals of {key!r:.100}"
        if not (type(key) is tuple and len(key) == 2 and key[0] in graph.entries and type(key[1]) is int):
            refuse(f"{key!r:.100} is not a call of a module in the table", where, "Write (path, number of the call).")
        for ref, name in values.items():
            check_value(ref, known, where)
            if not is_identifier(name):
                refuse(f"{name!r:.100} is not the name of a parameter", where, "Name it by an identifier.")


def _check_constraint(constraint: Expr) -> None:
    check_value(constraint, (), "a constraint")
    if not is_boolean(constraint):
        refuse(f"{constraint!r:.200} is neither true nor false", "a constraint", "Compare it, as in `macs <= 30e6`.")
    for term in _terms(constraint):
        if not any(True for _ in choices_in(term)):
            refuse(f"{term!r:.200} speaks of no choice", "a constraint", "Write its value in its place.")


def _terms(expr: Arg) -> Iterator[Apply]:
    """An expression and those that it is made of."""
    if isinstance(expr, Apply):
        yield expr
        expr = expr.args
    for item in expr if isinstance(expr, tuple) else ():
        yield from _terms(item)


# ---------------------------------------------------------------- nodes
def _check_nodes(graph: Graph, allow: Collection[str]) -> None:
    entries = graph.entries
    known = dict.fromkeys(item.name for item in graph.inputs)
    for node in graph.nodes:
        _check_name(node)
        where = node.where
        _check_operation(node, graph, known, allow)
        for arg in node.args:
            check_value(arg, known, where)
        if node.kwargs:
            check_value(node.kwargs, known, where)
        for name in node.kwargs:
            if not is_identifier(name):
                refuse(f"{name!r:.100} is not the name of an argument", where, "Name it by an identifier.")
        if node.when is not None:
            _check_condition(node.when, known, where)
        for name in node.after:
            if name not in known:
                check_value(Ref(name), known, where)
        if node.name in entries and not isinstance(node.op, Layer | Param):
            refuse(f"{node.name!r} is the path of a module or tensor", where, "Give the node another name.")
        known[node.name] = None


def _check_name(node: Node) -> None:
    if not is_node_name(node.name):
        refuse(f"{node.name!r:.100} is not the name of a node", "the graph", "Names are words joined by dots.")
    source = node.source
    if source is not None and not (type(source) is Source and is_line(source.file) and type(source.line) is int):
        refuse(f"{source!r:.100} is not a place in a source", f"node {node.name}", "Write Source(file, line).")


def _check_operation(node: Node, graph: Graph, known: Collection[str], allow: Collection[str]) -> None:
    where = node.where
    match node.op:
        case Layer():
            _check_layer(node.op, graph, where)
        case Param():
            _check_param(node.op, graph, where)
        case Call(target=target):
            check_target(target, allow, where)
            if target in _OWN_ARITY and (len(node.args) != _OWN_ARITY[target] or node.kwargs):
                refuse(f"{target} has the arguments {node.args!r:.100}", where, f"It takes {_OWN_ARITY[target]}.")
            if target == GUARD and not (is_boolean(node.args[0]) and is_line(node.args[1])):
                refuse(
                    f"a guard has the arguments {node.args!r:.200}", where, "It takes a condition and 'file.py:line'."
                )
            if target == ARGUMENT and node.args[0] not in [parameter.name for parameter in graph.signature]:
                refuse(f"{node.args[0]!r:.100} is no parameter of forward", where, "Name one of the signature.")
        case Choose(merge=merge):
            if merge not in MERGES:
                refuse(f"{merge!r:.100} does not merge values", where, f"Merge by {', '.join(MERGES)}.")
            _check_arms(node, known, where)
        case _:
            refuse(f"a {type(node.op).__name__} is not an operation", where, "Use Layer, Param, Call or Choose.")


def check_target(target: str, allow: Collection[str], where: str) -> None:
    """Checks that a graph may call `target`.

    Raises:
        GraphError: it is not in the table, and not directly in an allowed module.
    """
    if target not in targets.TARGETS and not is_allowed(target, allow):
        refuse(
            f"{target!r:.100} is called, which is not a function of tensors that a graph may name."
            f"{nearest(target, targets.TARGETS)}",
            where,
            permission(target),
        )


def _check_layer(op: Layer, graph: Graph, where: str) -> None:
    entry = graph.entries.get(op.path)
    if entry is None:
        refuse(
            f"the layer {op.path!r:.100} is not in the module table.{nearest(op.path, graph.entries)}",
            where,
            "Add an Entry for it.",
        )
    own = graph.entries[entry.same_as] if entry.same_as else entry
    if own.kind != "layer" or (own.type, own.config) != (op.type, op.config):
        refuse(
            f"the layer {op.path!r} is {op.type!r:.100} with {op.config!r:.200} at the node, "
            f"but {own.kind} {own.type!r:.100} with {own.config!r:.200} in the module table",
            where,
            "Change both alike.",
        )


def _check_param(op: Param, graph: Graph, where: str) -> None:
    entry = graph.entries.get(op.path)
    around = owner(graph.entries, op.path) if type(op.path) is str else None
    held = entry.kind in ("parameter", "buffer", "constant") if entry else around is not None and around.kind == "layer"
    if not held or not is_path(op.path):
        refuse(
            f"the tensor {op.path!r:.100} is not in the module table.{nearest(op.path, graph.entries)}",
            where,
            "Add an Entry for it.",
        )
    check_value(op.shape, (), where)


def _check_arms(node: Node, known: Collection[str], where: str) -> None:
    choice = node.op.choice  # type: ignore[union-attr]
    if node.kwargs:
        refuse(f"a choice among {', '.join(node.kwargs)}", where, "Choose has positional arguments only.")
    if isinstance(choice, Choice):
        check_value(choice, (), where)
        if len(node.args) != len(choice.options):
            refuse(
                f"choice {choice.label!r} has {len(choice.options)} options, but the node {len(node.args)} arguments",
                where,
                "Give it one argument an option, in their order.",
            )
        return
    _check_condition(choice, known, where)
    if len(node.args) != 2:
        refuse(f"a condition has {len(node.args)} arguments", where, "It takes two: the value if true, and if false.")


def _check_condition(condition: Expr, known: Collection[str], where: str) -> None:
    check_value(condition, known, where)
    labels = [choice.label for choice in choices_in(condition)]
    if labels:
        refuse(
            f"a condition depends on the choice {labels[0]!r}", where, "Conditions are closed by the running module."
        )
    if not is_boolean(condition):
        refuse(f"{condition!r:.200} is neither true nor false", where, "A condition is a Boolean expression.")
