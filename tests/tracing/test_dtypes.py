"""A dtype that is handed on is read off the same tensor in the file, so that a child may compute in another."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from tests.models.gpt import gpt_small
from tests.models.resnet import resnet18
from tests.models.text import TextEncoder, texts
from tests.models.unet import UNet
from tests.outside.cases import CASES
from tests.tracing.comparison import same

X = torch.arange(8.0).view(2, 4) / 3
MASK = torch.tensor([True, False, True, False])
IMAGE = torch.rand(1, 3, 32, 32)


def blank(length: int, dtype: torch.dtype) -> Tensor:
    """Takes a dtype from elsewhere."""
    return torch.full((length,), torch.finfo(dtype).min, dtype=dtype)


class Handing(nn.Module):
    """Hands dtypes on in all ways, and through other functions."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.rand(4))
        self.register_buffer("shift", torch.rand(4))

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        y = self.first(x)
        if y.dtype != self.scale.dtype:
            y = y * 2
        y = y + torch.arange(x.shape[1]).to(self.scale.dtype) * mask.to(x.dtype)
        kind = mask.dtype if self.training else x.dtype
        z = torch.ones(4, dtype=kind) * blank(x.shape[1], y.dtype)
        wide = torch.promote_types(x.dtype, torch.float32)
        z = F.softmax(z, dim=-1, dtype=wide) + torch.zeros_like(z, dtype=torch.float32)
        bound = max(torch.finfo(x.dtype).eps, 0.0)
        least = torch.iinfo(torch.int32).min + torch.tensor(bound, dtype=x.dtype)
        out = torch.zeros(4, dtype=torch.result_type(x, mask)).type_as(self.shift) + torch.empty_like(
            mask, dtype=x.dtype
        )
        return y, z, least, (out * 0).nan_to_num() + self.shift.type(x.dtype)


DTYPES = torch.float64, torch.bfloat16, torch.float16


def cast(tree: Any, dtype: torch.dtype) -> Any:
    """Arguments with their floating tensors in another dtype."""
    if isinstance(tree, dict):
        return {key: cast(item, dtype) for key, item in tree.items()}
    if isinstance(tree, tuple | list):
        return type(tree)(cast(item, dtype) for item in tree)
    return tree.to(dtype) if isinstance(tree, Tensor) and tree.is_floating_point() else tree


def given() -> Iterator[Any]:
    """Networks that hand dtypes on, and the arguments of examples."""
    yield Handing(), [{"x": X, "mask": MASK}]
    for settings in (dict[str, bool](), {"causal": True}, {"fast": False, "pooled": False}):
        yield TextEncoder(**settings), [{"ids": ids, "mask": mask} for ids, mask in (texts(2, 7), texts(2, 7, 2))]
    for case in CASES:
        if case.name in ("graphs", "nanogpt", "unet"):
            yield case.factory(), case.traced


@pytest.mark.parametrize("number", range(len(list(given()))))
@pytest.mark.parametrize("dtype", DTYPES)
def test_child_is_equal_in_other_dtypes(number: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, examples = list(given())[number]
    child = gn.build(gn.trace(model, *(gn.example(**example) for example in examples)), model.state_dict())
    model, child = model.to(dtype), child.to(dtype)
    for training in (False, True):
        for example in cast(examples, dtype):
            outputs = []
            for network in (model, child):
                torch.manual_seed(0)
                outputs.append(network.train(training)(**copy.deepcopy(example)))
            assert same(*outputs)


def test_source_reads_dtypes_where_the_original_does() -> None:
    source = gn.emit(gn.trace(Handing(), X, MASK))
    assert "x.dtype" in source
    assert "self.scale.dtype" in source
    assert source.count("torch.float32") == 2
    assert "torch.finfo(x.dtype).eps" in source
    assert "torch.result_type(x, mask)" in source


@pytest.mark.parametrize("number", range(len(list(given()))))
@pytest.mark.parametrize("dtype", DTYPES)
def test_model_in_another_dtype_is_traced_as_such(number: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model, examples = list(given())[number]
    model, examples = model.to(dtype), cast(examples, dtype)
    child = gn.build(gn.trace(model, *(gn.example(**example) for example in examples)), model.state_dict())
    assert {tensor.dtype for tensor in child.parameters()} == {dtype}
    for training in (False, True):
        for example in examples:
            outputs = []
            for network in (model, child):
                torch.manual_seed(0)
                outputs.append(network.train(training)(**copy.deepcopy(example)))
            assert same(*outputs)


NETWORKS = (gpt_small, torch.ones(2, 7, dtype=torch.long)), (resnet18, torch.rand(2, 3, 32, 32)), (UNet, IMAGE)


@pytest.mark.parametrize(("make", "x"), NETWORKS)
def test_graph_of_a_model_without_data_is_that_of_the_model(make: Callable[[], nn.Module], x: Tensor) -> None:
    with torch.device("meta"):
        model = make()
    graph = gn.trace(model, x.to("meta"))
    other = make()
    assert graph == gn.trace(other, x)
    assert same(gn.build(graph, other.state_dict()).eval()(x), other.eval()(x))


def test_value_that_a_model_without_data_lacks_is_refused() -> None:
    model = nn.Sequential(nn.Linear(4, 4)).to("meta")
    graph = gn.trace(model, X.to("meta"))
    with pytest.raises(gn.EmitError, match=r"weights for '0.weight': it is on the meta device and has no data"):
        gn.build(graph, model.state_dict())
    model.register_buffer("fixed", X.to("meta"), persistent=False)
    with pytest.raises(gn.TraceError, match="fixed is a tensor on meta"):
        gn.trace(model, X.to("meta"))


@pytest.mark.parametrize("size", [Tensor.element_size, lambda x: x.itemsize])
def test_size_of_elements_holds_for_the_traced_dtype(size: Callable[[Tensor], int]) -> None:
    class Sized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * size(x) if size(x) < 8 else x

    model = Sized()
    child = gn.build(gn.trace(model, X))
    assert torch.equal(child(X), model(X))
    with pytest.raises(ValueError, match=r"another condition: .*test_dtypes\.py:\d+"):
        child(X.double())
