"""What an architecture costs, known without building it: expressions of a space's choices.

They are exact, whatever the choices decide: which arms run, sizes, and shapes that follow from sizes elsewhere. As
expressions they serve as constraints (`gn.cost.macs(space) <= 30e6`) and as metrics, and are called on an architecture
for their value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphnas.analysis.conditions import diagrams_of
from graphnas.analysis.diagrams import Diagram, Diagrams
from graphnas.analysis.parameters import Parameters
from graphnas.analysis.work import Work
from graphnas.errors import GraphError, nearest
from graphnas.ir.choice import Apply, Expr
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.naming import without_calls


def params(space: Graph) -> Expr:
    """How many numbers the parameters of a child hold: `sum(p.numel() for p in gn.build(child).parameters())`.

    A parameter that is shared counts once: tied weights, and a module that is called several times. Parameters that no
    node reads count where the child file keeps them. Buffers, such as running statistics, do not count.

    Args:
        space: with open choices; of a closed graph the cost is an expression of none, `gn.cost.params(graph)({})`.

    Raises:
        GraphError: a module that is kept whole cannot be built, so that its parameters are not known; or the choices
            that the cost depends on have too many cases in common.
    """
    diagrams = diagrams_of(space)
    return _expression(diagrams, Parameters(space, diagrams).counts())


def macs(space: Graph, batch: int | None = 1, known: Mapping[str, int] = FrozenDict()) -> Expr:
    """How many multiply-adds a child takes in evaluation, on inputs of the traced shapes.

    Convolutions (also transposed) and products of matrices and vectors count, so linear and recurrent layers,
    attention and `einsum` do, each time they run. Additions, biases, activations, normalization, pooling and
    interpolation count nothing: so do the tables of NAS-Bench-201, NAS-Bench-Macro and Single Path One-Shot.

    Args:
        space: with open choices; of a closed graph the cost is an expression of none, `gn.cost.macs(graph)({})`.
        batch: how many examples. The first dimension of the first traced input is taken for the batch, and so is that
            of every other input that has the same size there. None leaves all inputs as they were traced.
        known: multiply-adds of one call of what cannot be counted, such as a module that is kept whole: by the path of
            the module, or the name of the node.

    Raises:
        GraphError: something that runs has a shape that depends on data, is not torch's own, or runs under a condition
            on data, and it is not in `known`; or the network does not run on such a batch; or the choices that the cost
            depends on have too many cases in common.
    """
    names = {without_calls(node.name) for node in space.nodes}
    for name in known:
        if name not in names:
            raise GraphError(
                f"known= has multiply-adds for {name!r}, but no module and no node of {space.name} is called so."
                f"{nearest(name, names)}"
            )
    diagrams = diagrams_of(space)
    return _expression(diagrams, Work(space, diagrams, batch, known).counts())


def _expression(diagrams: Diagrams, terms: Iterator[Diagram]) -> Expr:
    total = diagrams.total(terms)
    return total if isinstance(total, Expr) else Apply("int", (total,))
