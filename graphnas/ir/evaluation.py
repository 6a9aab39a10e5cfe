"""Expressions as functions of an architecture: what depends on one choice alone becomes a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

OPEN = object()  # what an expression is worth where a choice that it needs is not decided

_TABLE = 1024  # values of a choice that are worked out in advance
_FAILURES = (ArithmeticError, TypeError, ValueError)
_PLAIN = (bool, int, float)

Value = Callable[[Mapping[str, Any]], Any]


class Work(NamedTuple):
    """How a value comes about.

    Attributes:
        value: architecture → value, or `OPEN`.
        domains: label → values, of the choices that it depends on.
    """

    value: Value
    domains: Mapping[str, tuple[Any, ...]]


def constant(value: Any) -> Work:
    """What does not depend on choices."""
    return Work(lambda arch: value, {})


def decision(label: str, domain: tuple[Any, ...]) -> Work:
    """What is decided under a label."""
    return Work(lambda arch: arch.get(label, OPEN), {label: domain})


def application(function: Callable[..., Any], parts: Sequence[Work]) -> Work:
    """A function of values; it is `OPEN` where one of them is."""
    values, domains = _joined(parts)
    if len(values) == 2:
        return Work(_binary(function, *values), domains)

    def value(arch: Mapping[str, Any]) -> Any:
        items = [item(arch) for item in values]
        return OPEN if any([item is OPEN for item in items]) else function(*items)

    return Work(value, domains)


def _binary(function: Callable[..., Any], first: Value, second: Value) -> Value:
    def value(arch: Mapping[str, Any]) -> Any:
        left, right = first(arch), second(arch)
        return OPEN if left is OPEN or right is OPEN else function(left, right)

    return value


def selection(condition: Work, yes: Work, no: Work) -> Work:
    """One of two values; the other may depend on choices that are not decided."""
    (test, first, second), domains = _joined((condition, yes, no))

    def value(arch: Mapping[str, Any]) -> Any:
        decided = test(arch)
        if decided is OPEN:
            left, right = first(arch), second(arch)
            return left if are_same(left, right) else OPEN
        return first(arch) if decided else second(arch)

    return Work(value, domains)


def are_same(yes: Any, no: Any) -> bool:
    """Whether it makes no difference which of two values is selected."""
    return type(yes) is type(no) and type(yes) in _PLAIN and bool(yes == no)


def tabulated(work: Work) -> Value:
    """The value, looked up in a table where it depends on one choice of not too many values."""
    if len(work.domains) != 1:
        return work.value
    ((label, domain),) = work.domains.items()
    if len(domain) > _TABLE:
        return work.value
    table = {OPEN: work.value({})}
    for option in domain:
        try:
            table[option] = work.value({label: option})
        except _FAILURES:  # comes up again where somebody asks for it
            continue

    def value(arch: Mapping[str, Any]) -> Any:
        try:
            return table[arch.get(label, OPEN)]
        except KeyError:
            return work.value(arch)

    return value


def _joined(parts: Sequence[Work]) -> tuple[list[Value], Mapping[str, tuple[Any, ...]]]:
    """The functions of the parts, as tables where the whole will be none, and what the whole depends on."""
    domains = {label: domain for part in parts for label, domain in part.domains.items()}
    return [tabulated(part) if len(domains) > 1 else part.value for part in parts], domains
