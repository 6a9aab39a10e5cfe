"""A graph under construction: what the steps of a generated space write into."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from graphnas.ir.choice import Choice, Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import Arg, Call, Choose, Entry, Frame, Input, Layer, Node, Op, Ref, Size, transform
from graphnas.ir.source import Source
from tests.laws.kits import Kit, LayerOf

T = TypeVar("T")

# The most architectures that a space may have before constraints, so that a test can list them all.
LARGEST = 400


@dataclass
class Draft:
    """A graph that grows node by node in topological order.

    Attributes:
        rng: the source of decisions.
        kit: the layers that fit.
        inputs, nodes, entries, formals: as in the graph.
        values: what later nodes may read, whatever the architecture and the mode.
        scope: the module call that nodes are being added to.
        choices: by label.
        effects: names of nodes that live without a reader.
        wide: names of nodes whose number of channels a choice decides.
    """

    rng: random.Random
    kit: Kit
    inputs: list[Input] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=lambda: [Entry("", "module", "Net")])
    formals: dict[tuple[str, int], FrozenDict[Ref, str]] = field(default_factory=dict)
    values: list[Ref] = field(default_factory=list)
    scope: tuple[Frame, ...] = ()
    choices: dict[str, Choice] = field(default_factory=dict)
    effects: set[str] = field(default_factory=set)
    wide: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=lambda: {""})

    # ---------------------------------------------------------------- decisions
    def one_of(self, options: Iterable[T]) -> T:
        """One of the options."""
        return self.rng.choice(list(options))

    def flip(self) -> bool:
        """True or false."""
        return self.rng.random() < 0.5

    def value(self) -> Ref:
        """A value to read; mostly a recent one."""
        return self.one_of(self.values[-1:-4:-1] + self.values[:1])

    def steps(self, kinds: Sequence[Callable[[Draft], None]], largest: int) -> Sequence[Callable[[Draft], None]]:
        """Some steps to take, at least one."""
        return self.rng.choices(kinds, k=self.rng.randint(1, largest))

    def distinct_values(self, count: int) -> list[Ref]:
        """Up to `count` values that differ, at least one."""
        return self.rng.sample(self.values, self.rng.randint(1, min(count, len(self.values))))

    # ---------------------------------------------------------------- choices
    def choice(self, hint: str, options: tuple[Hashable, ...], take: int | None = 1) -> Choice | None:
        """A decision among the options: a new one, or one that exists and has the same options; None if too many."""
        known = [c for c in self.choices.values() if (c.options, c.take) == (options, take)]
        if known and self.flip():
            return self.one_of(known)
        label = self.fresh(hint, separator=".")
        choice = Choice(label, options, take)
        if math.prod(len(c.domain) for c in (*self.choices.values(), choice)) > LARGEST:
            return self.one_of(known) if known else None
        self.choices[label] = choice
        return choice

    def number(self, hint: str, options: tuple[int, ...]) -> int | Expr:
        """A number that may depend on a choice: the choice itself, or an expression of it."""
        choice = self.choice(hint, options)
        if choice is None:
            return options[0]
        forms = (
            lambda c: c,
            lambda c: c * 2,
            lambda c: 2 * c - c,
            lambda c: c + c % 2,
            lambda c: c // 1,
        )
        return self.one_of(forms)(choice)

    # ---------------------------------------------------------------- names and scopes
    @property
    def path(self) -> str:
        """The path of the module that nodes are being added to."""
        return self.scope[-1].path if self.scope else ""

    def below(self, hint: str) -> str:
        """The path of a child of the current module."""
        return f"{self.path}.{hint}" if self.path else hint

    def fresh(self, hint: str, separator: str = "_") -> str:
        """A name that is not taken yet, and now is."""
        name, count = hint, 0
        while name in self.names:
            count += 1
            name = f"{hint}{separator}{count}"
        self.names.add(name)
        return name

    @contextmanager
    def module(self, hint: str, kind: str, container: str = "") -> Iterator[str]:
        """Nodes added inside belong to a call of a new module."""
        path = self.fresh(self.below(hint))
        config = {"base": container} if container and container != kind else {}
        self.entries.append(Entry(path, "module", kind, FrozenDict(config)))
        self.formals[path, 0] = FrozenDict()  # its place in the order of calls
        start = len(self.nodes)
        outside, self.scope = self.scope, (*self.scope, Frame(path, kind))
        yield path
        self.scope = outside
        inside = {node.name for node in self.nodes[start:]}
        given = dict.fromkeys(ref for node in self.nodes[start:] for ref in node.refs if ref.name not in inside)
        self.formals[path, 0] = FrozenDict(zip(given, ("x", "y"), strict=False))

    # ---------------------------------------------------------------- nodes
    def add(self, name: str, op: Op, *args: Arg, hidden: bool = False, **fields: Any) -> Ref:
        """Appends a node; unless hidden, everything later may read it."""
        source = Source("net.py", 10 + len(self.nodes))
        self.nodes.append(Node(name, op, args, scope=self.scope, source=source, **fields))
        if not hidden:
            self.values.append(Ref(name))
        return Ref(name)

    def call(self, target: str, *args: Arg, **fields: Any) -> Ref:
        """Appends a call of a function or method."""
        name = self.fresh(self.below(target.rpartition(".")[2].strip("_")))
        return self.add(name, Call(target), *args, **fields)

    def layer(self, hint: str, layer: LayerOf, value: Ref, **fields: Any) -> Ref:
        """Appends a call of a new layer."""
        path = self.fresh(self.below(hint))
        kind, config = layer[0], FrozenDict(layer[1])
        self.entries.append(Entry(path, "layer", kind, config))
        return self.add(path, Layer(path, kind, config), value, **fields)

    def choose(self, choice: Choice | Expr, *args: Arg, merge: str = "sum", hint: str = "choice", **fields: Any) -> Ref:
        """Appends a `Choose` over the arguments."""
        return self.add(self.fresh(self.below(hint)), Choose(choice, merge), *args, **fields)

    def repeat_call(self, path: str, start: int, value: Ref) -> None:
        """Appends a second call of the module at `path`, whose nodes begin at `start`, with `value` for its inputs."""
        first = self.nodes[start:]
        again = {node.name: _second_name(node) for node in first}
        renamed = {ref.name: value for node in first for ref in node.refs}
        renamed |= {old: Ref(new) for old, new in again.items()}
        for node in first:
            self.nodes.append(_second(node, path, again, renamed))
        for (below, call), names in list(self.formals.items()):
            if call == 0 and _is_below(below, path):
                self.formals[below, 1] = FrozenDict({_rename(ref, renamed): name for ref, name in names.items()})
        self.effects |= {again[name] for name in self.effects & again.keys()}
        self.names |= set(again.values())
        self.values += [Ref(again[ref.name], ref.item) for ref in self.values if ref.name in again]

    # ---------------------------------------------------------------- the end
    def unread(self) -> list[Ref]:
        """Values that no node reads and that are no effects."""
        read = {ref.name for node in self.nodes for ref in node.refs}
        return [Ref(node.name) for node in self.nodes if node.name not in read | self.effects]


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}.")


def _second_name(node: Node) -> str:
    around = node.scope[-1].path
    return f"{around}@1{node.name.removeprefix(around)}"


def _second(node: Node, path: str, again: dict[str, str], renamed: dict[str, Ref]) -> Node:
    return replace(
        node,
        name=again[node.name],
        args=_rename(node.args, renamed),
        kwargs=_rename(node.kwargs, renamed),
        scope=tuple(replace(frame, call=1) if _is_below(frame.path, path) else frame for frame in node.scope),
        when=_rename(node.when, renamed),
        op=Choose(_rename(node.op.choice, renamed), node.op.merge) if isinstance(node.op, Choose) else node.op,
        after=tuple(again.get(name, name) for name in node.after),
    )


def _rename(tree: Arg, renamed: dict[str, Ref]) -> Any:
    def leaf(arg: Arg) -> Arg:
        match arg:
            case Ref(name, item) if name in renamed:
                return Ref(renamed[name].name, renamed[name].item + item)
            case Size(of, dim):
                return Size(leaf(of), dim)
        return arg

    return transform(tree, leaf)
