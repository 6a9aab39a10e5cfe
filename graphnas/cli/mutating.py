"""The verb `mutate`: rules make a space of a graph, and say what they did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from graphnas.cli import loading
from graphnas.cli.output import Allow, AsJson, answer, writable
from graphnas.errors import GraphError, GraphNASError
from graphnas.ir import storing
from graphnas.ir.graph import Graph


def mutate(
    file: Annotated[Path, typer.Argument(help="The graph file.")],
    rules: Annotated[str, typer.Argument(help="A rule, or a list of them: rules.py:rules or package.module:rules.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The space file to write; else only explain.", callback=writable),
    ] = None,
    allow: Allow = None,
    as_json: AsJson = False,
) -> None:
    """Apply rules to a graph, and say what each matched, what it passed over, and why."""
    from graphnas.mutations.explain import in_words, json_value, number_of_architectures

    space = loading.graph(file, allow)
    explained: list[Any] = []
    for rule in _rules(rules):
        explained.append(_explanation(rule, space))
        space = _applied(rule, space)
    if output is not None:
        storing.save(space, output)
    counted = number_of_architectures(space)
    reports = [item if isinstance(item, dict) else item.as_dict() for item in explained]
    data = {
        "rules": reports,
        "choices": _choices(space),
        "architectures": json_value(counted),
        "file": str(output) if output else None,
    }
    text = "\n\n".join(item["rule"] if isinstance(item, dict) else str(item) for item in explained)
    text += f"\n\nchoices: {len(space.choices)}; architectures: {in_words(counted)}"
    text += f"; wrote {output}" if output else ""
    answer(data, text, as_json)


def _rules(text: str) -> tuple[Any, ...]:
    found = loading.named(text)
    rules = tuple(found) if isinstance(found, Iterable) else (found,)
    wrong = [rule for rule in rules if not callable(rule)]
    if wrong or not rules:
        raise GraphError(
            f"{text} is {'no rule' if wrong else 'empty'}: {(wrong or ['no rules'])[0]!r:.100}\n  at the command line. "
            "A rule is one of the package's, such as gn.Swap(...), or a function of a graph that gives a graph."
        )
    return rules


def _applied(rule: Any, graph: Graph) -> Graph:
    """What a rule makes of a graph; a user's own function may do anything."""
    from graphnas.mutations.mutate import mutate as apply

    def checked(graph: Graph) -> Graph:
        try:
            with loading.foreign():
                found = rule(graph)
        except GraphNASError:
            raise
        except Exception as error:
            raise GraphError(f"the rule fails: {loading.blamed(error)}") from error
        if not isinstance(found, Graph):
            raise GraphError(f"the rule gives {found!r:.100}\n  at the command line. It must give a graph.")
        return found

    return apply(graph, rule if hasattr(rule, "explain") else checked)


def _explanation(rule: Any, graph: Graph) -> Any:
    """What a rule of ours says of itself; of a plain function its name."""
    return rule.explain(graph) if hasattr(rule, "explain") else {"rule": getattr(rule, "__name__", repr(rule))}


def _choices(space: Graph) -> dict[str, list[object]]:
    return {label: list(choice.options) for label, choice in space.choices.items()}
