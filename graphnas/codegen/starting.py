"""`init_weights`: the method of the root class that starts the tensors as the original's were started."""

from __future__ import annotations

import functools
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from graphnas.codegen.rules import Rule, Rules, Site
from graphnas.codegen.steps import TAKEN, lines, needs_no_grad
from graphnas.codegen.table import Table
from graphnas.codegen.wrapping import wrapped
from graphnas.ir.graph import Graph

METHOD = "init_weights"
_WIDTH = 99


def has_starts(graph: Graph) -> bool:
    """Whether it is known of any tensor how it starts."""
    return any([row.initial for row in graph.modules])


def build_lines(graph: Graph, root: str) -> list[str]:
    """The function `build` of a file whose root class is called `root`."""
    if not has_starts(graph):
        return ["def build() -> nn.Module:", f"    return {root}()"]
    return ["def build() -> nn.Module:", f"    net = {root}()", f"    net.{METHOD}()", "    return net"]


def method_lines(table: Table, classes: Mapping[str, str]) -> list[str]:
    """The lines of the method.

    Args:
        table: of the graph.
        classes: path of a module → the name of its emitted class.
    """
    writer = _Writer(Rules(table, classes))
    body = [*writer.loop(), *writer.exceptions(), *writer.resets(), *writer.remarks()]
    if all(line.lstrip().startswith("#") for line in body):
        body.append("pass")
    head = ["@torch.no_grad()"] if writer.without_gradients else []
    found = []
    for line in (*head, f"def {METHOD}(self):", *(f"    {line}" for line in body)):
        found += wrapped(f"    {line}")
    return found


class _Writer:
    """Writes rules as source.

    Attributes:
        without_gradients: whether what was written must run without gradients.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.without_gradients = False

    def loop(self) -> Iterator[str]:
        """The loop over all modules that says what most of a class share."""
        bodies: dict[tuple[str, ...], list[str]] = {}
        for rule in self._rules.rules:
            bodies.setdefault(self._body(rule), []).append(rule.test)
        word = "if"
        for (condition, *body), tests in bodies.items():
            if word == "if":
                yield "for module in self.modules():"
            yield f"    {word} {_either(tests, condition)}:"
            yield from (f"        {line}" for line in body)
            word = "elif"

    def _body(self, rule: Rule) -> tuple[str, ...]:
        """What is done with a module of a rule: a further condition, and the lines."""
        body: list[str] = []
        for name, number in rule.starts.items():
            inner = self._lines(number, f"module.{name}")
            there = f"module.{name} is not None"
            if name in rule.optional and len(rule.starts) == 1:
                return there, *inner
            body += [f"if {there}:", *(f"    {line}" for line in inner)] if name in rule.optional else inner
        return "", *body

    def exceptions(self) -> Iterator[str]:
        """What the loop does not say: by the end of the tensors' names, or one by one."""
        groups: dict[tuple[int, str], list[Site]] = {}
        for site in self._rules.rest:
            groups.setdefault((site.number, _variable(site)), []).append(site)
        suffixes = {key: self._suffix(sites) for key, sites in groups.items() if len(sites) > 2}
        word = "if"
        for (number, _), suffix in suffixes.items():
            if suffix:
                if word == "if":
                    yield "for name, parameter in self.named_parameters():"
                yield f'    {word} name.endswith("{suffix}"):'
                yield from (f"        {line}" for line in self._lines(number, "parameter"))
                word = "elif"
        for key, sites in groups.items():
            if not suffixes.get(key):
                yield from self._listed(key[0], sites)

    def _listed(self, number: int, sites: Sequence[Site]) -> Iterator[str]:
        """Tensors by their names."""
        if len(sites) > 2:
            name = _variable(sites[0])
            yield f"for {name} in ({', '.join(map(self._access, sites))}):"
            yield from (f"    {line}" for line in self._lines(number, name))
        else:
            for site in sites:
                yield from self._lines(number, self._access(site))

    def resets(self) -> Iterator[str]:
        """The layers that the loop should have left alone."""
        reached = [self._reach(path) for path in dict.fromkeys(self._rules.resets)]
        if len(reached) > 1:
            yield f"for layer in ({', '.join(reached)}):"
            yield "    layer.reset_parameters()"
        else:
            yield from (f"{access}.reset_parameters()" for access in reached)

    def remarks(self) -> Iterator[str]:
        """What a reader must know of tensors that have no known start."""
        for site in self._rules.unknown:
            reason, where = self._rules.steps[site.number][0].args
            remark = f"{self._rules.name(site.full)} has no start of its own and must be loaded: {reason} ({where})."
            yield from textwrap.wrap(remark, _WIDTH - 10, initial_indent="# ", subsequent_indent="# ")

    # ------------------------------------------------------------ pieces
    def _lines(self, number: int, tensor: str) -> list[str]:
        steps = self._rules.steps[number]
        self.without_gradients |= needs_no_grad(steps)
        return lines(steps, tensor)

    def _access(self, site: Site) -> str:
        found = self._reach(site.path)
        return f"{found}.{site.name}" if site.name else found

    def _reach(self, path: str) -> str:
        table = self._rules.table
        if path in table.entries:
            return table.access("", path, "init_weights")
        above, _, name = path.rpartition(".")  # part of a layer
        return f"{self._reach(above)}.{name}"

    def _suffix(self, sites: Sequence[Site]) -> str:
        """How the names of these parameters, and of no others, end."""
        wanted = {self._rules.name(site.full) for site in sites}
        columns = zip(*(name.split(".")[::-1] for name in wanted))
        shared = [column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, columns)]
        suffix = ".".join(shared[::-1])
        return suffix if {name for name in self._names if name.endswith(suffix)} == wanted else ""

    @functools.cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self._rules.parameter_names())


def _variable(site: Site) -> str:
    """What a variable for the tensor may be called."""
    name = site.full.rpartition(".")[2]
    return name if name.isidentifier() and name not in TAKEN else "tensor"


def _either(tests: Sequence[str], condition: str) -> str:
    """A test that holds where one of several does, and the condition."""
    head = "isinstance(module, "
    found = " or ".join(tests)
    if len(tests) > 1 and all(test.startswith(head) for test in tests):
        found = f"{head}({', '.join(test.removeprefix(head)[:-1] for test in tests)}))"
    if not condition:
        return found
    return f"({found}) and {condition}" if " or " in found else f"{found} and {condition}"
