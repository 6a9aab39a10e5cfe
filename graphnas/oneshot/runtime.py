"""What emitted supernet files import: choices that a plan decides, and layers whose sizes it decides."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from graphnas.codegen.inherit import SizesError, slice_like
from graphnas.errors import ArchError, nearest

Plan = Mapping[str, Any]
Thunk = Callable[[], Any]


def choose(picked: Any, arms: Mapping[Any, Thunk], merge: str | None = None) -> Any:
    """What the chosen arm computes; no other arm runs.

    Args:
        picked: the plan's option, or with `merge` a tuple of options.
        arms: option → what computes its value.
        merge: how the values of several options are joined: "sum", "mean", or "concat" along dimension 1.

    Raises:
        ArchError: the plan picks what is no option.
    """
    options = (picked,) if merge is None else picked
    if any(option not in arms for option in options):
        raise ArchError(
            f"the plan picks {picked!r}, but the options are {tuple(arms)}\n  at plan=.{nearest(picked, arms)}"
        )
    values = [arms[option]() for option in options]
    if len(values) == 1:
        return values[0]
    if merge == "concat":
        return torch.cat(values, dim=1)
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total / len(values) if merge == "mean" else total


_CASTING = ("cpu", "cuda")  # the kinds of devices of which some have autocast


def lazy(compute: Thunk) -> Thunk:
    """A function that computes its value when first called, in the modes of now, and then keeps it."""
    cell: list[Any] = []
    enabled = torch.is_grad_enabled()
    casting = [(kind, torch.is_autocast_enabled(kind)) for kind in _CASTING]

    def value() -> Any:
        if not cell:
            with contextlib.ExitStack() as modes:
                modes.enter_context(torch.set_grad_enabled(enabled))
                for kind, casts in casting:
                    if torch.is_autocast_enabled(kind) is not casts:
                        modes.enter_context(torch.autocast(kind, torch.get_autocast_dtype(kind), casts))
                cell.append(compute())
        return cell[0]

    return value


class Elastic(nn.Module):
    """A layer whose arguments a plan decides: it holds the largest tensors, and a plan uses slices of them.

    The tensors are called as the layer's own, so that a child inherits them by path.

    Args:
        make: builds the layer under a plan.
        domains: label → the values that it can have.

    Raises:
        SizesError: no combination of values gives all tensors their largest shapes.
    """

    def __init__(self, make: Callable[[Plan], nn.Module], domains: Mapping[str, tuple[Any, ...]]) -> None:
        super().__init__()
        self._domains, self._labels = dict(domains), tuple(domains)
        plans = [dict(zip(domains, values, strict=True)) for values in itertools.product(*domains.values())]
        with torch.device("meta"):
            self._templates: dict[tuple[Any, ...], nn.Module] = {tuple(plan.values()): make(plan) for plan in plans}
        shapes = list(map(_shapes, self._templates.values()))
        names = dict.fromkeys(name for each in shapes for name in each)  # some plans have no bias
        largest = {name: tuple(map(max, zip(*(each[name] for each in shapes if name in each)))) for name in names}
        if largest not in shapes:
            raise SizesError(self._labels, largest)
        layer = make(plans[shapes.index(largest)])
        self._parameters, self._buffers, self._modules = layer._parameters, layer._buffers, layer._modules

    def forward(self, *args: Any, plan: Plan, **kwargs: Any) -> Any:
        """What the layer that the plan describes computes with slices of the tensors.

        Raises:
            ArchError: the plan lacks a label, or picks what is no option.
        """
        template = self._template(plan)
        template.train(self.training)
        shapes = _shapes(template)
        held = itertools.chain(self.named_parameters(), self.named_buffers())
        tensors = {name: slice_like(tensor, shapes[name]) for name, tensor in held if name in shapes}
        return torch.func.functional_call(template, tensors, args, kwargs)

    def _template(self, plan: Plan) -> nn.Module:
        key = tuple(plan.get(label) for label in self._labels)
        if key in self._templates:
            return self._templates[key]
        label = next(label for label in self._labels if plan.get(label) not in self._domains[label])
        picked = f"picks {plan[label]!r}" if label in plan else "says nothing"
        raise ArchError(
            f"the plan {picked} for {label!r}, but the options are {self._domains[label]}\n  at plan=."
            f"{nearest(plan.get(label), self._domains[label])}"
        )


def _shapes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    return {
        name: tuple(tensor.shape) for name, tensor in itertools.chain(layer.named_parameters(), layer.named_buffers())
    }
