"""What an architecture decides: choices, and values that depend on them."""

from __future__ import annotations

import builtins
import itertools
import operator
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from graphnas.errors import ArchError
from graphnas.ir import tables
from graphnas.ir.evaluation import OPEN, Value, Work, application, constant, decision, selection, tabulated
from graphnas.ir.frozen import Remembering, remembered

Option: TypeAlias = Hashable
Arch: TypeAlias = Mapping[str, Option]


def _implication(premise: bool, conclusion: bool) -> bool:
    return not premise or conclusion


# What an expression may compute. `if` has the arguments (condition, value if true, value if false).
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
    "neg": operator.neg,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": lambda a, b: bool(a and b),
    "or": lambda a, b: bool(a or b),
    "not": operator.not_,
    "implies": _implication,
    "in": lambda item, items: item in items,
    "if": lambda condition, yes, no: yes if condition else no,
    "max": builtins.max,
    "min": builtins.min,
    "abs": builtins.abs,
    "int": builtins.int,
    "float": builtins.float,
    "bool": builtins.bool,
    "round": builtins.round,
}


class Expr:
    """A value that is not known yet: it depends on choices, on run-time sizes, or on the mode.

    Arithmetic and order comparisons build further expressions. `==` stays structural equality, so
    equality *in* the space is spelled `expr.equals(value)`; `&`, `|`, `~` and `implies` combine
    Boolean expressions.
    """

    __slots__ = ()

    def __add__(self, other: Any) -> Expr:
        return Apply("+", (self, other))

    def __radd__(self, other: Any) -> Expr:
        return Apply("+", (other, self))

    def __sub__(self, other: Any) -> Expr:
        return Apply("-", (self, other))

    def __rsub__(self, other: Any) -> Expr:
        return Apply("-", (other, self))

    def __mul__(self, other: Any) -> Expr:
        return Apply("*", (self, other))

    def __rmul__(self, other: Any) -> Expr:
        return Apply("*", (other, self))

    def __truediv__(self, other: Any) -> Expr:
        return Apply("/", (self, other))

    def __rtruediv__(self, other: Any) -> Expr:
        return Apply("/", (other, self))

    def __floordiv__(self, other: Any) -> Expr:
        return Apply("//", (self, other))

    def __rfloordiv__(self, other: Any) -> Expr:
        return Apply("//", (other, self))

    def __mod__(self, other: Any) -> Expr:
        return Apply("%", (self, other))

    def __pow__(self, other: Any) -> Expr:
        return Apply("**", (self, other))

    def __neg__(self) -> Expr:
        return Apply("neg", (self,))

    def __lt__(self, other: Any) -> Expr:
        return Apply("<", (self, other))

    def __le__(self, other: Any) -> Expr:
        return Apply("<=", (self, other))

    def __gt__(self, other: Any) -> Expr:
        return Apply(">", (self, other))

    def __ge__(self, other: Any) -> Expr:
        return Apply(">=", (self, other))

    def __and__(self, other: Any) -> Expr:
        return Apply("and", (self, other))

    def __or__(self, other: Any) -> Expr:
        return Apply("or", (self, other))

    def __invert__(self) -> Expr:
        return Apply("not", (self,))

    def equals(self, other: Any) -> Expr:
        """True where this value equals `other`."""
        return Apply("==", (self, other))

    def one_of(self, *options: Any) -> Expr:
        """True where this value is one of `options`."""
        return Apply("in", (self, options))

    def implies(self, other: Any) -> Expr:
        """True where this is false or `other` is true."""
        return Apply("implies", (self, other))

    def __call__(self, arch: Arch) -> Any:
        """The value under an architecture; what is dead under it need not be decided.

        Raises:
            ArchError: a choice that the value needs is not decided, or it is known only when the network runs.
        """
        value = evaluate(self, arch)
        if value is OPEN:
            missing = dict.fromkeys(choice.label for choice in choices_in(self) if choice.label not in arch)
            if not missing:
                raise ArchError("the value is known only while the network runs: it depends on sizes or the mode")
            raise ArchError(f"the value depends on labels that are not decided: {', '.join(map(repr, missing)):.300}")
        return value

    def __bool__(self) -> bool:
        labels = ", ".join(repr(choice.label) for choice in choices_in(self))
        raise TypeError(
            f"an expression{f' of {labels}' if labels else ''} has no truth value before its choices are decided; "
            "combine Boolean expressions by &, |, ~ and .implies(), compare by .equals(), "
            "and write 1 <= a <= 2 as (1 <= a) & (a <= 2)"
        )


@dataclass(frozen=True)
class Choice(Expr):
    """One decision: a label and the options it may take; `options[0]` is the original network.

    Args:
        label: names the decision in an architecture; the same label at several places is one decision.
        options: at least one, no two equal, scalars or tuples of scalars.
        take: 1 for one option; k > 1 for k distinct options (the value is a tuple of options in option
            order); None for any non-empty subset.

    Raises:
        ValueError: empty or repeated options, or a `take` that they cannot serve.
    """

    label: str
    options: tuple[Option, ...]
    take: int | None = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        if not self.options or len(set(self.options)) != len(self.options):
            raise ValueError(f"choice {self.label!r} needs distinct options, but got {self.options!r}")
        if self.take is not None and not 1 <= self.take <= len(self.options):
            raise ValueError(
                f"1 <= take <= {len(self.options)} must hold in choice {self.label!r}, but got take={self.take}"
            )

    @cached_property
    def domain(self) -> tuple[Option, ...]:
        """Every value that the decision can have; `domain[0]` is the default."""
        if self.take == 1:
            return self.options
        sizes = (self.take,) if self.take is not None else range(1, len(self.options) + 1)
        return tuple(itertools.chain.from_iterable(itertools.combinations(self.options, size) for size in sizes))

    @property
    def default(self) -> Option:
        """The original network's value: the first option, the first `take`, or of any subset the first alone."""
        return self.domain[0]

    @property
    def manner(self) -> str:
        """How many options are taken, in words."""
        return {1: "one of", None: "any of"}.get(self.take, f"{self.take} of")

    def _repr_html_(self) -> str:
        """What notebooks show: a small table."""
        return tables.choices((self,))

    def positions(self, value: Option) -> tuple[int, ...]:
        """Which of `options` a value of `domain` picks."""
        places = self._places
        return (places[value],) if self.take == 1 else tuple(places[option] for option in value)  # type: ignore[attr-defined]

    @cached_property
    def _places(self) -> dict[Option, int]:
        return {option: place for place, option in enumerate(self.options)}


@dataclass(frozen=True, slots=True)
class Training(Expr):
    """The running module's mode: true in training, false in evaluation."""


TRAINING = Training()


@dataclass(frozen=True)
class Apply(Expr, Remembering):
    """A function of `FUNCTIONS` applied to constants, expressions and references.

    The value of an `if` is the one that its condition selects; the other is not needed.
    """

    fn: str
    args: tuple[Any, ...]

    def __post_init__(self) -> None:
        if self.fn not in FUNCTIONS:
            raise ValueError(f"an expression cannot apply {self.fn!r}; it has {', '.join(FUNCTIONS)}")


def evaluate(tree: Any, arch: Arch) -> Any:
    """The value of an expression under the decisions; `OPEN` where it needs others, or the running network.

    Raises:
        ArithmeticError, TypeError, ValueError: it has none, as a division by zero.
    """
    return _evaluator(tree)(arch) if isinstance(tree, Apply) else _work(tree).value(arch)


@remembered
def _evaluator(expr: Apply) -> Value:
    return tabulated(_application(expr))


@remembered
def _application(expr: Apply) -> Work:
    parts = tuple(map(_work, expr.args))
    return selection(*parts) if expr.fn == "if" else application(FUNCTIONS[expr.fn], parts)


def _work(tree: Any) -> Work:
    match tree:
        case Choice(label=label, domain=domain):
            return decision(label, domain)
        case Apply():
            return _application(tree)
        case tuple() if any(isinstance(item, Expr) for item in tree):
            return application(lambda *items: items, tuple(map(_work, tree)))
        case None | bool() | int() | float() | complex() | str() | tuple():
            return constant(tree)
    return constant(OPEN)


def conjunction(first: Expr | None, second: Expr | None) -> Expr | None:
    """Both conditions; None is the condition that always holds."""
    if first is None or first == second:
        return second
    return first if second is None else first & second


def conjuncts(condition: Expr | None) -> tuple[Expr, ...]:
    """The conditions that must all hold where this one does, one by one."""
    match condition:
        case None:
            return ()
        case Apply("and", (first, second)):
            return (*conjuncts(first), *conjuncts(second))
    return (condition,)


def exclude(first: Expr | None, second: Expr | None) -> bool:
    """Whether two conditions never hold together: one demands what the other denies."""
    mine, theirs = conjuncts(first), conjuncts(second)
    return any(Apply("not", (one,)) in theirs for one in mine) or any(Apply("not", (one,)) in mine for one in theirs)


def choices_in(tree: Any) -> Iterator[Choice]:
    """The choices that a value depends on, in order of appearance, with repeats."""
    found: list[Choice] = []
    _collect(tree, found)
    return iter(found)


_WITHOUT_CHOICES = frozenset((type(None), bool, int, float, complex, str))


def _collect(tree: Any, found: list[Choice]) -> None:
    match tree:
        case tuple() | list():
            for item in tree:
                if type(item) not in _WITHOUT_CHOICES:
                    _collect(item, found)
        case dict():
            for item in tree.values():
                if type(item) not in _WITHOUT_CHOICES:
                    _collect(item, found)
        case Choice():
            found.append(tree)
        case Apply(args=args):
            _collect(args, found)
        case object(items=tuple() as items):  # a `List`
            _collect(items, found)
        case object(start=start, stop=stop, step=step):  # a `Slice`
            _collect((start, stop, step), found)
