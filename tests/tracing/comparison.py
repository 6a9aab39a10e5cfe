"""Comparing a model with what was traced from it."""

from __future__ import annotations

import copy
import dataclasses
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphnas.codegen.build import build
from graphnas.ir.graph import Graph

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


def leaves(tree: Any) -> list[Any]:
    """The tensors and plain values of an output, in order."""
    if dataclasses.is_dataclass(tree):
        tree = {field.name: getattr(tree, field.name) for field in dataclasses.fields(tree)}
    if isinstance(tree, dict):
        return [key_or_leaf for key, item in tree.items() for key_or_leaf in (key, *leaves(item))]
    if isinstance(tree, list | tuple):
        return [leaf for item in tree for leaf in leaves(item)]
    return [tree]


def same(first: Any, second: Any) -> bool:
    """Whether two outputs are equal bit for bit."""
    ours, theirs = leaves(first), leaves(second)
    return len(ours) == len(theirs) and all(map(_same, ours, theirs))


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    return type(first) is type(second) and first == second


def emitted(graph: Graph, model: nn.Module) -> nn.Module:
    """The emitted network, which computes with the parameters and buffers of a model."""
    network = build(graph, model.state_dict()).train(model.training)
    for path, module in network.named_modules():
        for kind in ("_parameters", "_buffers"):
            held = getattr(model.get_submodule(path), kind)
            getattr(module, kind).update({name: held[name] for name in getattr(module, kind) if name in held})
    return network


def assert_equal(
    model: nn.Module, other: Callable[[nn.Module], Callable[..., Any]], arguments: Arguments, training: bool
) -> None:
    """Output, state after the call, and gradients of both are equal bit for bit.

    Args:
        model: the original.
        other: makes the callable to compare from a copy of the model, in the same mode.
        arguments: what both are called with.
        training: the mode.
    """
    original, twin = copy.deepcopy(model).train(training), copy.deepcopy(model).train(training)
    rival = other(twin)
    expected, expected_grads = _run(original, original, arguments)
    found, found_grads = _run(rival, twin, arguments)
    assert same(expected, found)
    for (name, ours), theirs in zip(original.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), f"state {name} differs"
    assert expected_grads.keys() == found_grads.keys()
    for name, grad in expected_grads.items():
        assert torch.equal(grad, found_grads[name]), f"gradient of {name} differs"


def _run(call: Callable[..., Any], model: nn.Module, arguments: Arguments) -> tuple[Any, dict[str, Tensor]]:
    args, kwargs = copy.deepcopy(arguments)
    torch.manual_seed(5)
    random.seed(5)
    output = call(*args, **kwargs)
    losses = [leaf.sum() for leaf in leaves(output) if isinstance(leaf, Tensor) and leaf.requires_grad]
    if losses:
        sum(losses).backward()  # type: ignore[union-attr]
    return output, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
