"""Small spaces to search: flat, nested, constrained, with subsets, and empty."""

from __future__ import annotations

from graphnas.ir.choice import Choice, Expr
from graphnas.ir.graph import Graph
from graphnas.ir.node import Arg, Call, Choose, Input, Node, Parameter, Ref

X = Ref("x")


def graph(nodes: list[Node], output: Arg, constraints: tuple[Expr, ...] = ()) -> Graph:
    """A graph with one input of two rows and three columns."""
    inputs = (Input("x", ("x",), (2, 3)),)
    return Graph(inputs, tuple(nodes), output, constraints, signature=(Parameter("x"),))


def flat(*sizes: int, constraints: tuple[Expr, ...] = ()) -> Graph:
    """Independent labels `c0`, `c1`, ... with integer options, added up."""
    nodes: list[Node] = []
    value: Arg = X
    for place, size in enumerate(sizes):
        choice = Choice(f"c{place}", tuple(range(size)))
        nodes.append(Node(f"n{place}", Call("torch.Tensor.__add__"), (value, choice)))
        value = Ref(f"n{place}")
    return graph(nodes, value, constraints)


def nested() -> Graph:
    """An `outer` choice that opens `inner` at one of its options: 4 architectures."""
    inner, outer = Choice("inner", ("relu", "tanh", "gelu")), Choice("outer", ("plain", "inner"))
    nodes = [
        Node("a", Call("torch.relu"), (X,)),
        Node("b", Call("torch.tanh"), (X,)),
        Node("c", Call("torch.nn.functional.gelu"), (X,)),
        Node("inner_choice", Choose(inner), (Ref("a"), Ref("b"), Ref("c"))),
        Node("outer_choice", Choose(outer), (X, Ref("inner_choice"))),
    ]
    return graph(nodes, Ref("outer_choice"))


def subsets() -> Graph:
    """Any non-empty subset of three inputs, and a number: 14 architectures."""
    nodes = [
        Node("a", Call("torch.relu"), (X,)),
        Node("b", Call("torch.tanh"), (X,)),
        Node("picked", Choose(Choice("inputs", ("x", "a", "b"), take=None)), (X, Ref("a"), Ref("b"))),
        Node("scaled", Call("torch.Tensor.__mul__"), (Ref("picked"), Choice("scale", (1, 2)))),
    ]
    return graph(nodes, Ref("scaled"))


def constrained() -> Graph:
    """Three labels of four options whose sum is at most 3: 20 of 64 architectures."""
    labels = [Choice(f"c{place}", tuple(range(4))) for place in range(3)]
    return flat(4, 4, 4, constraints=(labels[0] + labels[1] + labels[2] <= 3,))


def decided() -> Graph:
    """No choice at all: one architecture."""
    return graph([Node("a", Call("torch.relu"), (X,))], Ref("a"))


SPACES = {
    "flat": flat(2, 3, 2),
    "nested": nested(),
    "subsets": subsets(),
    "constrained": constrained(),
    "decided": decided(),
}
