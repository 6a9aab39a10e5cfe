"""How tensors start, gathered into rules: what most layers of a type share is said once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import nn

from graphnas.analysis.meta import layer
from graphnas.codegen.memory import Memory, Numbers
from graphnas.codegen.table import Table
from graphnas.ir.choice import choices_in
from graphnas.ir.closing import close
from graphnas.ir.initial import Steps, is_recorded
from graphnas.ir.node import Entry

_NUMBERS = Numbers()
_ROWS: Memory[Held] = Memory()


@dataclass(frozen=True)
class Part:
    """A layer inside one of torch's layers, or that layer itself.

    Attributes:
        path: inside it.
        type: the class.
        starts: the names of its tensors → the number of how each starts, 0 where the layer starts it by itself.
    """

    path: str
    type: type[nn.Module]
    starts: Mapping[str, int]


@dataclass(frozen=True)
class Held:
    """What a row of the module table holds.

    Attributes:
        parts: of a layer.
        names: of its parameters.
        steps: by number.
    """

    parts: tuple[Part, ...] = ()
    names: tuple[str, ...] = ()
    steps: Mapping[int, Steps] = field(default_factory=dict)


@dataclass(frozen=True)
class Site:
    """A tensor.

    Attributes:
        path: of the row that has it.
        name: in a layer; "" for the row's own.
        number: of how it starts.
    """

    path: str
    name: str
    number: int

    @property
    def full(self) -> str:
        """The tensor's path."""
        return f"{self.path}.{self.name}" if self.name else self.path


@dataclass
class Rule:
    """What all modules of a class have in common.

    Attributes:
        test: of the loop's variable `module`.
        starts: the names of tensors → how each starts.
        optional: those that some of the modules do not have.
        reaches_derived: whether it holds for classes that derive from its class.
    """

    test: str
    starts: dict[str, int] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    reaches_derived: bool = True


@dataclass(eq=False)
class Rules:
    """The rules of one graph and what they do not say.

    Args:
        table: of the graph.
        classes: path of a module → the name of its emitted class.

    Attributes:
        rules: in the order of the module table.
        rest: tensors that no rule starts as they should start.
        resets: layers that a rule reaches although they start by themselves.
        unknown: tensors of which nobody knows how they start.
        steps: by number.
    """

    table: Table
    classes: Mapping[str, str]
    rules: list[Rule] = field(default_factory=list)
    rest: list[Site] = field(default_factory=list)
    resets: list[str] = field(default_factory=list)
    unknown: list[Site] = field(default_factory=list)
    steps: dict[int, Steps] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers: dict[type[nn.Module], list[tuple[str, Part]]] = defaultdict(list)
        own: dict[tuple[str, str], list[Site]] = defaultdict(list)
        for row in self.table.layout.graph.modules:
            if row.path not in self.table.names or row.same_as:
                continue
            if row.kind == "layer":
                held = self._layer(row)
                for part in held.parts:
                    layers[part.type].append((row.path, part))
            elif row.initial:
                self._tensor(row, own)
        rules = {kind: rule for kind, found in layers.items() if (rule := self._rule(kind, found, layers)) is not None}
        self.rules += rules.values()
        for kind, found in layers.items():
            said: dict[str, int] = {}
            for other, rule in rules.items():
                if other is kind or (rule.reaches_derived and issubclass(kind, other)):
                    said |= rule.starts
            for path, part in found:
                self._left(path, part, said)
        for (name, attribute), sites in own.items():
            self._of_class(name, attribute, sites)

    def _layer(self, row: Entry) -> Held:
        held = self.held[row.path] = _ROWS.of(id(row), (row,), lambda: _held(row))
        self.steps.update(held.steps)
        return held

    def _tensor(self, row: Entry, own: dict[tuple[str, str], list[Site]]) -> None:
        steps = row.initial[""]
        number = _NUMBERS.number(steps, ())
        self.steps[number] = steps
        above = row.path.rpartition(".")[0]
        site = Site(row.path, "", number)
        if not is_recorded(steps):
            self.unknown.append(site)
        elif above in self.classes and self.table.names[row.path].isidentifier():
            own[self.classes[above], self.table.names[row.path]].append(site)
        else:
            self.rest.append(site)

    # ------------------------------------------------------------ layers of torch
    def _rule(
        self,
        kind: type[nn.Module],
        found: Sequence[tuple[str, Part]],
        layers: Mapping[type[nn.Module], Sequence[tuple[str, Part]]],
    ) -> Rule | None:
        """What layers of a class share, where it pays to say so once; None if it never does."""
        rule = Rule(f"isinstance(module, nn.{kind.__name__})")
        parts = [part for _, part in found]
        if getattr(nn, kind.__name__, None) is not kind:
            return None
        for name in dict.fromkeys(name for part in parts for name, number in part.starts.items() if number):
            having = [part for part in parts if name in part.starts]
            own = [part for part in having if not part.starts[name]]
            number, count = Counter(part.starts[name] for part in having if part.starts[name]).most_common(1)[0]
            pays = count > max(len(own), 2) or (count == len(having) and count > 1)
            # Only a layer that starts wholly by itself can be told to do so.
            spared = not own or (
                hasattr(kind, "reset_parameters") and not any(any(part.starts.values()) for part in own)
            )
            if pays and spared and is_recorded(self.steps[number]):
                rule.starts[name] = number
                if len(having) < len(parts):
                    rule.optional.add(name)
        derived = [part for other, rows in layers.items() if _derives(other, kind) for _, part in rows]
        if any(part.starts.get(name) != number for part in derived for name, number in rule.starts.items()):
            rule.test, rule.reaches_derived = f"type(module) is nn.{kind.__name__}", False
        return rule if rule.starts else None

    def _left(self, path: str, part: Part, said: Mapping[str, int]) -> None:
        """What rules do not say of a layer."""
        for name, number in part.starts.items():
            site = Site(path, f"{part.path}.{name}".strip("."), number)
            if number and not is_recorded(self.steps[number]):
                self.unknown.append(site)
            elif number and said.get(name) != number:
                self.rest.append(site)
        if any(part.starts.get(name) == 0 for name in said):
            self.resets.append(f"{path}.{part.path}".strip("."))

    # ------------------------------------------------------------ the user's classes
    def _of_class(self, name: str, attribute: str, sites: Sequence[Site]) -> None:
        number, count = Counter(site.number for site in sites).most_common(1)[0]
        instances = sum(1 for other in self.classes.values() if other == name)
        if count < 3 or instances != len(sites):
            self.rest += sites
            return
        rule = next((rule for rule in self.rules if rule.test == f"isinstance(module, {name})"), None)
        if rule is None:
            rule = Rule(f"isinstance(module, {name})")
            self.rules.append(rule)
        rule.starts[attribute] = number
        self.rest += [site for site in sites if site.number != number]

    # ------------------------------------------------------------ names
    def parameter_names(self) -> Iterator[str]:
        """The names that `named_parameters` of the emitted network gives, those of ties left out."""
        for row in self.table.layout.graph.modules:
            if row.path in self.table.names and not row.same_as:
                if row.kind == "parameter":
                    yield self.name(row.path)
                elif row.kind == "layer":
                    for name in self.held[row.path].names:
                        tie = self.table.entries.get(f"{row.path}.{name}")
                        if tie is None or not tie.same_as:
                            yield f"{self.name(row.path)}.{name}"

    def name(self, path: str) -> str:
        """What a path is called in the emitted network."""
        parts, here = [], ""
        for part in path.split("."):
            here = f"{here}.{part}" if here else part
            parts.append(self.table.names.get(here, part))
        return ".".join(parts)


def _derives(kind: type[nn.Module], base: type[nn.Module]) -> bool:
    return kind is not base and issubclass(kind, base)


class _Elastic(nn.Module):
    """Stands for a layer whose arguments the plan decides: the emitted file holds it as no class of torch's."""


def _held(row: Entry) -> Held:
    starts = {name: _NUMBERS.number(steps, ()) for name, steps in row.initial.items()}
    steps = {starts[name]: found for name, found in row.initial.items()}
    choices = {choice.label: choice.default for choice in choices_in((row.config,))}
    built = layer(row.type, close(row.config, choices))
    names = tuple(name for name, _ in built.named_parameters())
    if choices:
        return Held((Part("", _Elastic, starts),), names, steps)
    parts = tuple(
        _part(path, part, starts) for path, part in built.named_modules() if part._parameters or part._buffers
    )
    return Held(parts, names, steps)


def _part(path: str, part: nn.Module, starts: Mapping[str, int]) -> Part:
    tensors = [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]
    full = {name: f"{path}.{name}" if path else name for name, _ in tensors}
    return Part(path, type(part), {name: starts.get(whole, 0) for name, whole in full.items()})
