"""What has to survive in a child, written down once more and naively: the oracle of the laws on pruning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from graphnas.ir.choice import Choice, Option
from graphnas.ir.graph import Graph
from graphnas.ir.node import ENTERS, EXITS, GUARD, Call, Choose, Frame, Layer, Node, Param, refs_in

# What generated spaces do without a reader.
EFFECTS = (GUARD, *ENTERS, *EXITS, "torch.Tensor.add_", "torch.rand_like")


def survivors(space: Graph, arch: Mapping[str, Option]) -> list[str]:
    """The names of the nodes of the child, in order, without those that were choices.

    Args:
        space: open.
        arch: an option for every live label.
    """
    live = _needed(space, arch, (ref.name for ref in refs_in(space.output)))
    effects = [node for node in space.nodes if _is_effect(node, space)]
    while True:
        calls = _calls((space.node(name) for name in live), arch)
        woken = [node.name for node in effects if node.name not in live and _runs(node, calls, space)]
        if not woken:
            return [node.name for node in space.nodes if node.name in live and not is_choice(node)]
        live |= _needed(space, arch, woken)


def is_choice(node: Node) -> bool:
    """Whether an architecture decides what the node returns."""
    return isinstance(node.op, Choose) and isinstance(node.op.choice, Choice)


def _calls(nodes: Iterable[Node], arch: Mapping[str, Option]) -> set[Frame]:
    """The module calls around what is computed in them; a choice of several values computes their sum or mean."""
    return {frame for node in nodes if _computes(node, arch) for frame in node.scope}


def _computes(node: Node, arch: Mapping[str, Option]) -> bool:
    if is_choice(node):
        choice: Choice = node.op.choice  # type: ignore[union-attr]
        return choice.take != 1 and len(arch[choice.label]) > 1  # type: ignore[arg-type]
    return not isinstance(node.op, Param)


def _runs(effect: Node, calls: set[Frame], space: Graph) -> bool:
    """Whether the innermost call around an effect runs, of those from which somebody outside reads; the root does."""
    read = [frame for frame in effect.scope if _is_read(frame, space)]
    return not read or read[-1] in calls


def _is_read(frame: Frame, space: Graph) -> bool:
    inside = {node.name for node in space.nodes if frame in node.scope}
    outside = (node.refs for node in space.nodes if frame not in node.scope)
    return any(ref.name in inside for refs in (*outside, refs_in(space.output)) for ref in refs)


def _is_effect(node: Node, space: Graph) -> bool:
    return isinstance(node.op, Call) and node.op.target in EFFECTS and node.name not in space.readers


def _needed(space: Graph, arch: Mapping[str, Option], names: Iterable[str]) -> set[str]:
    """The nodes with these names and everything that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name in space.by_name:
            found.add(name)
            waiting += _needs(space.node(name), arch)
    return found


def _needs(node: Node, arch: Mapping[str, Option]) -> Iterator[str]:
    if is_choice(node):
        choice: Choice = node.op.choice  # type: ignore[union-attr]
        option = arch[choice.label]
        for picked in option if choice.take != 1 else (option,):
            yield from (ref.name for ref in refs_in(node.args[choice.options.index(picked)]))
    else:
        yield from (ref.name for ref in node.refs)
        yield from node.after


# ---------------------------------------------------------------- the module table
def surviving_entries(space: Graph, child: Graph) -> list[str]:
    """The paths of the child's module table: what it uses, and what the space never used unless it lies in the dead."""
    used, called = _uses(space)
    used_still, called_still = _uses(child)
    dead = (used | called) - (used_still | called_still)
    kept = [
        entry.path
        for entry in space.modules
        if not any(_is_within(entry.path, path) for path in dead) or entry.path in used_still | called_still
    ]
    ends = {
        entry.path: (_holder(space, entry.path), _holder(space, entry.same_as))
        for entry in space.modules
        if entry.same_as
    }
    return [path for path in kept if all(end in kept for end in ends.get(path, ()))]


def _uses(graph: Graph) -> tuple[set[str], set[str]]:
    used = {node.op.path for node in graph.nodes if isinstance(node.op, Layer | Param)}
    return used, {frame.path for node in graph.nodes for frame in node.scope}


def _is_within(path: str, module: str) -> bool:
    return path == module or path.startswith(f"{module}.")


def _holder(space: Graph, path: str) -> str:
    """The layer that holds the tensor at `path`."""
    return path.rpartition(".")[0]
