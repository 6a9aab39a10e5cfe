"""The root's `forward`: its parameters, how inputs are found among them, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphnas.codegen.code import Code, Hole
from graphnas.codegen.expressions import term_code
from graphnas.codegen.form import Form, Root
from graphnas.codegen.literals import NEEDED, identifier, literal
from graphnas.errors import EmitError
from graphnas.ir.graph import Graph
from graphnas.ir.node import ARGUMENT, ENTERS, Arg, Call, Given, Input, List, Parameter, transform


def root_of(graph: Graph) -> Root:
    """What the root's call has beyond others."""
    parameters = graph.signature or tuple(
        Parameter(str(name)) for name in dict.fromkeys(item.path[0] for item in graph.inputs)
    )
    names = tuple(identifier(parameter.name, "a parameter of forward") for parameter in parameters)
    optional = _optional(graph)
    return Root(
        signature=tuple(_signature(parameters, bool(graph.choices))),
        names=names,
        inputs=tuple(_found(item, optional) for item in graph.inputs),
        asked=(*(str(node.args[0]) for node in graph.nodes if node.op == Call(ARGUMENT)), *sorted(optional)),
        refused=(
            *(_refusal(parameter) for parameter in parameters if parameter.fixed),
            *_containers(graph.inputs, optional),
        ),
    )


def check_hidden(form: Form, root: Root, codes: Sequence[Code]) -> None:
    """Refuses parameters that hide what `forward` needs by their names; they keep these, since callers know them.

    Args:
        form: of the root's call.
        root: what it has beyond others.
        codes: of its items.

    Raises:
        EmitError: there is such a parameter.
    """
    conditions = [term_code(condition) for item in form.items for condition in item.when]
    parts = [part for code in (*codes, *conditions, term_code(form.result)) for part in code.parts]
    written = [part.text if isinstance(part, Hole) else part for part in parts] + [test for test, _ in root.refused]
    written += ["torch."] if any(item.target in ENTERS for item in form.items) else []
    written += ["plan.", "runtime."] if form.plan else []
    for name in NEEDED.intersection(root.names):
        if any(isinstance(part, str) and re.search(rf"(?<![\w.]){name}[.(]", part) for part in written):
            raise EmitError(f"a parameter of forward is called {name!r}, which hides what is needed there; rename it")


def access(item: Input) -> str:
    """The expression that finds an input among the parameters."""
    first, *steps = item.path
    return str(first) + "".join(f"[{literal(step)}]" for step in steps)


def _optional(graph: Graph) -> frozenset[str]:
    """The parameters with containers of inputs that the graph asks whether they are given."""
    asked: set[str] = set()

    def leaf(term: Arg) -> Arg:
        if isinstance(term, Given):
            asked.add(term.of.name)
        return term

    for node in graph.nodes:
        transform((node.args, node.kwargs, node.when, node.condition), leaf)
    return frozenset(str(item.path[0]) for item in graph.inputs if item.name in asked and len(item.path) > 1)


def _found(item: Input, optional: frozenset[str]) -> str:
    """How an input is found; one in a container that may be left out is None then."""
    first = str(item.path[0])
    return f"None if {first} is None else {access(item)}" if first in optional else access(item)


def _signature(parameters: tuple[Parameter, ...], is_open: bool) -> list[str]:
    parts: list[str] = []
    starred = False
    for parameter in parameters:
        follows = not starred and any("=" in part for part in parts)
        match parameter.kind:
            case "var_positional":
                parts.append(f"*{parameter.name}")
                starred = True
            case "var_keyword":
                continue
            case "keyword" if not starred:
                parts += ["*", _parameter(parameter, False)]
                starred = True
            case _:
                parts.append(_parameter(parameter, follows))
    if is_open:
        parts += ["plan"] if starred else ["*", "plan"]
    return parts + [f"**{parameter.name}" for parameter in parameters if parameter.kind == "var_keyword"]


def _parameter(parameter: Parameter, follows: bool) -> str:
    """A parameter as source; one that must be given, behind one that need not, has a default that is refused."""
    if parameter.required:
        return f"{parameter.name}=..." if follows else parameter.name
    return f"{parameter.name}={literal(parameter.value)}"


def _refusal(parameter: Parameter) -> tuple[str, str]:
    name = parameter.name
    if parameter.kind in ("var_positional", "var_keyword"):
        return f"not {name}", literal(f"{name} was not among the traced inputs")
    if parameter.value is None or isinstance(parameter.value, bool):
        return f"{name} is {literal(parameter.value)}", literal(f"{name} was traced as {parameter.value!r}")
    return f"{name} == {literal(parameter.value)}", literal(f"{name} was traced as {parameter.value!r}")


def _containers(inputs: tuple[Input, ...], optional: frozenset[str]) -> list[tuple[str, str]]:
    """Containers of inputs must hold what the traced ones held: what lies beyond would be ignored.

    A dict must hold it in the same order: a loop over it would go through it in another.
    """
    held: dict[tuple[str | int, ...], dict[str | int, None]] = {}
    for item in inputs:
        for depth in range(1, len(item.path)):
            held.setdefault(item.path[:depth], {})[item.path[depth]] = None
    found = []
    for path, steps in held.items():
        name = access(Input("", path, ()))
        absent = f"{path[0]} is None or " if path[0] in optional else ""
        if all(isinstance(step, str) for step in steps):
            test, what = f"list({name}) == {literal(List(tuple(steps)))}", ", ".join(map(repr, steps))
            found.append((f"{absent}{test}", literal(f"{name} was traced with {what}, in this order")))
        else:
            found.append(
                (f"{absent}len({name}) == {len(steps)}", literal(f"{name} was traced with {len(steps)} items"))
            )
    return found
