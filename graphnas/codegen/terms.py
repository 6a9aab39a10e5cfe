"""The values of one module call by number, and argument trees of the graph in these terms."""

from __future__ import annotations

from dataclasses import replace

from graphnas.codegen.code import Local
from graphnas.codegen.form import Attribute, Literal, Pairs, Plan
from graphnas.codegen.layout import Layout, Region
from graphnas.codegen.literals import as_name, identifier, literal
from graphnas.codegen.table import Table
from graphnas.errors import EmitError
from graphnas.ir.choice import Apply, Choice, Expr, Training
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import ARGUMENT, Arg, Call, Given, List, Param, Ref, Size, Slice

# What returns a plain True or False, or a plain value that is taken as one of them.
ANSWERS = frozenset({
    ARGUMENT, "torch.Tensor.__bool__", "torch.Tensor.equal", "torch.equal", "torch.Tensor.allclose", "torch.allclose",
    "torch.Tensor.__contains__",
})  # fmt: skip
_ATOMS = (bool, int, float, complex, str)


class Terms:
    """What is known in a call while its form is built.

    Attributes:
        layout, table, region: of what, and which call.
        known: the term of each value so far.
        values: how many numbers are taken.
        where: what is being built, for messages.
    """

    def __init__(self, layout: Layout, table: Table, region: Region) -> None:
        self.layout, self.table, self.region = layout, table, region
        self.known: dict[Ref, Arg] = {}
        self.values = 0
        self.where = f"module {region.path!r}" if region.path else "the root"

    def fresh(self) -> int:
        """A number for a further value."""
        self.values += 1
        return self.values - 1

    def number(self, ref: Ref) -> int:
        """Gives a value of the graph a number."""
        index = self.fresh()
        self.known[ref] = Local(index)
        return index

    def term(self, tree: Arg) -> Arg:
        """An argument tree in the call's own terms.

        Raises:
            EmitError: it holds what cannot be written, or a value that nothing before it computes.
        """
        kind = type(tree)
        if kind is Ref:
            return self._value(tree)
        if kind is int:
            return Literal(repr(tree), tree)
        if kind is tuple:
            return tuple([self.term(item) for item in tree])
        if tree is None or kind in _ATOMS:
            return Literal(literal(tree, self.where))
        if kind is FrozenDict:
            return Pairs({key: self.term(item) for key, item in tree.items()}) if tree else tree
        match tree:
            case List(items=items):
                return List(self.term(items))
            case Slice(start=start, stop=stop, step=step):
                return Slice(self.term(start), self.term(stop), self.term(step))
            case Size(of=of):
                return replace(tree, of=self.term(of))
            case Given(of=of):
                return Given(self._holder(of))
            case Apply(fn="bool", args=(Ref() as ref,)) if self._is_answer(ref):
                return self.term(ref)
            case Apply(fn=fn, args=args):
                return Apply(fn, self.term(args))
            case Choice(label=label):
                return Plan(label, as_name(label.rpartition(".")[2]))
            case Training():
                return tree
            case Expr():
                raise EmitError(f"{self.where} depends on {tree!r}, which cannot be written as source")
        return Literal(literal(tree, self.where))

    def _holder(self, ref: Ref) -> Arg:
        """What is asked whether it is given: of an input among others the parameter that holds it."""
        if self.region.parent is None:
            for item in self.layout.graph.inputs:
                if item.name == ref.name and len(item.path) > 1:
                    return Attribute(identifier(item.path[0], "a parameter of forward"))
        return self.term(ref)

    def _is_answer(self, ref: Ref) -> bool:
        """Whether a value is True or False, and no tensor that is one of them."""
        node = self.layout.graph.by_name.get(ref.name)
        return node is not None and isinstance(node.op, Call) and node.op.target in ANSWERS

    def _value(self, ref: Ref) -> Arg:
        found = self.known.get(ref)
        if found is not None:
            return found
        whole = self.known.get(Ref(ref.name))
        if isinstance(whole, Local):
            return Local(whole.index, whole.item + ref.item)
        node = self.layout.graph.by_name.get(ref.name)
        if node is None or not isinstance(node.op, Param):
            raise EmitError(
                f"{self.where} reads {ref.name!r}{list(ref.item) or ''}, which nothing before it in its scope computes"
            )
        access = self.table.access(self.region.path, node.op.path, self.where)
        term = Attribute(access)
        self.known[ref] = term
        return term
