"""Sizes that were once wrong."""

from __future__ import annotations

from graphnas.ir.choice import Choice
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Input, Node, Ref
from graphnas.ir.sampling import enumerate_archs


def test_choices_of_one_label_that_open_the_same_by_other_arms_are_counted_apart() -> None:
    x, relu, tanh = Ref("x"), Ref("relu"), Ref("tanh")
    shared, two, three = Choice("shared", (0, 1)), Choice("two", (0, 1)), Choice("three", (0, 1, 2))
    graph = Graph(
        inputs=(Input("x", ("x",), (2, 8)),),
        nodes=(
            Node("relu", Call("torch.relu"), (x,)),
            Node("tanh", Call("torch.tanh"), (x,)),
            Node("of_two", Choose(two), (x, relu)),
            Node("of_three", Choose(three), (x, relu, tanh)),
            Node("sum", Call("torch.add"), (Ref("of_two"), Ref("of_three"))),
            Node("apart", Choose(shared), (Ref("of_two"), Ref("of_three"))),
            Node("together", Choose(shared), (Ref("sum"), x)),
            Node("chosen", Choose(Choice("which", (0, 1))), (Ref("apart"), Ref("together"))),
        ),
        output=Ref("chosen"),
    )
    assert graph.size() == len(list(enumerate_archs(graph))) == (2 + 3) + (2 * 3 + 1)
