"""Who is needed by whom, under a whole, partial or empty architecture.

Everything that liveness means is reachability from the output: a node needs what it reads and what it is `after`; an
open choice needs all of its arms, a decided one the chosen arm; and a node holds up the module calls around it, which
hold up the effects directly in them, and in calls in them that are unread.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from graphnas.ir.choice import Arch, Choice, Option, choices_in
from graphnas.ir.effects import homes
from graphnas.ir.node import Arg, Choose, Frame, Node, Param, refs_in

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph


class Closure(NamedTuple):
    """What is reached without passing an open choice: the open choices themselves, and labels that values depend on."""

    gates: tuple[int, ...]
    labels: tuple[str, ...]


class Fork(NamedTuple):
    """A choice over closures: what each single option reaches, what the node itself does, and all of them at once."""

    choice: Choice
    ways: dict[Option, Closure]
    own: Closure
    all: tuple[Closure, ...]

    def taken(self, arch: Arch) -> tuple[Closure, ...]:
        """What is reached: through the chosen arms if the choice is decided, else through all and by itself."""
        if self.choice.label not in arch:
            return self.all
        value = arch[self.choice.label]
        if self.choice.take == 1:
            return (self.ways[value],)
        found = tuple(self.ways[option] for option in value)  # type: ignore[attr-defined]
        return found if len(found) == 1 else (*found, self.own)


class Gate(NamedTuple):
    """A `Choose` over a choice: the steps and labels that each arm needs, and the steps that the node itself needs.

    A decided choice of one option leaves no node behind: its readers read the arm, and it holds nothing up.
    """

    choice: Choice
    arms: tuple[tuple[int, ...], ...]
    labels: tuple[tuple[str, ...], ...]
    held: tuple[int, ...]

    def taken(self, arch: Arch) -> Iterable[int]:
        """The positions of the arms that may run."""
        if self.choice.label in arch:
            return self.choice.positions(arch[self.choice.label])
        return range(len(self.arms))

    def stays(self, arch: Arch) -> bool:
        """Whether a node remains: the choice is open, or merges several arms."""
        return self.choice.label not in arch or len(self.choice.positions(arch[self.choice.label])) > 1


class Flow:
    """The dependencies of a graph as integers: nodes first, then module calls.

    Args:
        graph: closed or open.
    """

    def __init__(self, graph: Graph) -> None:
        self._index = {node.name: position for position, node in enumerate(graph.nodes)}
        self._frames: dict[Frame, int] = {}
        self.needs: list[tuple[int, ...]] = []
        self.gates: dict[int, Gate] = {}
        self._labels: dict[int, tuple[str, ...]] = {}
        effects = homes(graph)
        for position, node in enumerate(graph.nodes):
            self._enter(position, node)
        self.needs += [()] * len(self._frames)
        root = self._connect(graph, effects)
        self.roots = (*(self._index[ref.name] for ref in graph.reads if ref.name in self._index), *root)
        self._output_labels = tuple(choice.label for choice in choices_in(graph.output))
        self._order = tuple(graph.choices)

    def _enter(self, position: int, node: Node) -> None:
        held = self._names((*(ref.name for ref in node.refs), *node.after))
        if node.scope and not isinstance(node.op, Param):
            held = (*held, self._frame(node.scope[-1]))
            for frame in node.scope:
                self._frame(frame)
        if isinstance(node.op, Choose) and isinstance(node.op.choice, Choice):
            arms = tuple(self._arm(arg) for arg in node.args)
            labels = tuple(tuple(choice.label for choice in choices_in(arg)) for arg in node.args)
            in_arms = {step for arm in arms for step in arm}
            own = tuple(step for step in held if step not in in_arms)
            self.gates[position] = Gate(node.op.choice, arms, labels, own)
            held = ()
        else:
            self._labels[position] = tuple(choice.label for choice in node.choices)
        self.needs.append(held)

    def _connect(self, graph: Graph, effects: dict[str, Frame | None]) -> list[int]:
        """Lets module calls hold up the calls around them and their effects; returns the effects of the root."""
        offset = len(graph.nodes)
        held: dict[int, list[int]] = {}
        root = []
        for node in graph.nodes:
            for outer, inner in zip(node.scope, node.scope[1:], strict=False):
                held.setdefault(self._frames[inner], []).append(self._frames[outer] + offset)
        for name, home in effects.items():
            if home is None:
                root.append(self._index[name])
            else:
                held.setdefault(self._frames[home], []).append(self._index[name])
        for frame, steps in held.items():
            self.needs[frame + offset] = tuple(dict.fromkeys(steps))
        # Until here the call with index i stood as -1 - i among the needs of nodes.
        self.needs[:offset] = [_settled(steps, offset) for steps in self.needs[:offset]]
        self.gates = {step: gate._replace(held=_settled(gate.held, offset)) for step, gate in self.gates.items()}
        return root

    def _frame(self, frame: Frame) -> int:
        return -1 - self._frames.setdefault(frame, len(self._frames))

    def _names(self, names: Iterable[str]) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self._index[name] for name in names if name in self._index))

    def _arm(self, arg: Arg) -> tuple[int, ...]:
        return self._names(ref.name for ref in refs_in(arg))

    def live(self, arch: Arch) -> bytearray:
        """Per node, then per module call: 1 where it is needed once the labels of `arch` are decided."""
        seen = bytearray(len(self.needs))
        waiting = list(self.roots)
        while waiting:
            step = waiting.pop()
            if seen[step]:
                continue
            seen[step] = 1
            waiting += self.needs[step]
            gate = self.gates.get(step)
            if gate is not None:
                for arm in gate.taken(arch):
                    waiting += gate.arms[arm]
                if gate.stays(arch):
                    waiting += gate.held
        return seen

    # ------------------------------------------------------------ decisions: the same, condensed to the choices
    @cached_property
    def root(self) -> Closure:
        """What every architecture reaches."""
        return self._closure(self.roots, self._output_labels)

    @cached_property
    def forks(self) -> dict[int, Fork]:
        """What the choices reach, by the steps of `gates`."""
        found = {}
        for step, gate in self.gates.items():
            arms = (self._closure(arm, labels) for arm, labels in zip(gate.arms, gate.labels, strict=True))
            ways = dict(zip(gate.choice.options, arms, strict=True))
            own = self._closure(gate.held, ())
            found[step] = Fork(gate.choice, ways, own, tuple(dict.fromkeys((*ways.values(), own))))
        return found

    def _closure(self, steps: Iterable[int], labels: tuple[str, ...]) -> Closure:
        seen: set[int] = set()
        gates: dict[int, None] = {}
        found = dict.fromkeys(labels)
        waiting = list(steps)[::-1]
        while waiting:
            step = waiting.pop()
            if step in seen:
                continue
            seen.add(step)
            if step in self.gates:
                gates[step] = None
            found.update(dict.fromkeys(self._labels.get(step, ())))
            waiting += self.needs[step]
        return Closure(tuple(gates), tuple(found))

    def reached(self, arch: Arch, through_open: bool) -> tuple[dict[int, None], dict[str, None]]:
        """The choices and labels that are reached from the output, in order of discovery.

        Args:
            arch: what is decided.
            through_open: whether to pass undecided choices: true finds what may be live, false what certainly is.
        """
        return self.walk([self.root], arch, through_open)

    def walk(
        self, start: list[Closure], arch: Arch, through_open: bool, known: Collection[int] = ()
    ) -> tuple[dict[int, None], dict[str, None]]:
        """As `reached`, from given closures on, up to choices that are `known`."""
        forks = self.forks
        gates: dict[int, None] = {}
        labels: dict[str, None] = {}
        waiting = start[::-1]
        while waiting:
            closure = waiting.pop()
            for label in closure.labels:
                labels[label] = None
            for gate in closure.gates:
                if gate in gates or gate in known:
                    continue
                gates[gate] = None
                fork = forks[gate]
                label = fork.choice.label
                labels[label] = None
                if through_open or label in arch:
                    waiting += fork.taken(arch)
        return gates, labels

    def complete(self, arch: Arch, decide: Callable[[str], Option]) -> dict[str, Option]:
        """A canonical architecture: of `arch` what is live, and a new decision for each label that is live besides.

        Args:
            arch: what is decided.
            decide: label → option; asked once for each label, as soon as it is certain to be live.
        """
        forks = self.forks
        live: dict[str, Option] = {}
        seen: set[int] = set()
        waiting = [self.root]
        while waiting:
            closure = waiting.pop()
            new = [gate for gate in closure.gates if gate not in seen]
            seen.update(new)
            for label in (*closure.labels, *[forks[gate].choice.label for gate in new]):
                if label not in live:
                    live[label] = arch[label] if label in arch else decide(label)
            for gate in new:
                waiting += forks[gate].taken(live)
        return {label: live[label] for label in self._order if label in live}

    def canonical(self, arch: Arch) -> dict[str, object]:
        """The decided labels that are live under the others, in the order of the space."""
        _, labels = self.reached(arch, through_open=True)
        return {label: arch[label] for label in self._order if label in arch and label in labels}


def _settled(steps: tuple[int, ...], offset: int) -> tuple[int, ...]:
    return tuple(step if step >= 0 else offset - step - 1 for step in steps)
