"""A model is traced where it is; its file says nothing of where, and runs elsewhere as the model does."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

import graphnas as gn
from tests.outside.cases import CASES, Case

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
X = torch.rand(3, 4, generator=torch.Generator().manual_seed(0))


class Masking(nn.Module):
    """Makes tensors where its input is, in every way that people write."""

    def __init__(self, persistent: bool = False) -> None:
        super().__init__()
        self.layer, self.drop = nn.Linear(4, 4), nn.Dropout(0.3)
        self.register_buffer("scale", torch.rand(4), persistent=persistent)

    def forward(self, x: Tensor) -> Tensor:
        device = self.layer.weight.device
        steps = torch.arange(x.shape[1], device=x.device) + torch.ones(4).to(device)
        mask = torch.zeros(x.shape[1], device=next(self.parameters()).device, dtype=x.dtype)
        mask = mask.masked_fill(steps > 2, 1).to(x.device)
        return self.drop(self.layer(x) * mask + self.scale.to(x)) + x.new_ones(4) + torch.rand_like(x)


@pytest.mark.parametrize("device", ["meta", pytest.param("cuda", marks=on_gpu)])
def test_file_names_no_device(device: str) -> None:
    torch.manual_seed(0)
    model = Masking(persistent=device == "meta")  # which has no values that a file could carry
    here = gn.emit(gn.Tracer().trace(model, X))
    assert gn.emit(gn.Tracer().trace(model.to(device), X.to(device))) == here
    assert device not in here


@on_gpu
@pytest.mark.parametrize("training", [False, True])
def test_what_was_traced_on_the_cpu_computes_on_a_gpu_as_the_model_does(training: bool) -> None:
    model = Masking()
    child = gn.build(gn.Tracer().trace(model, X), model.state_dict())
    results = []
    for network in (model.cuda().train(training), child.cuda().train(training)):
        torch.manual_seed(1)
        results.append(network(X.cuda()))
    assert results[0].is_cuda
    assert torch.equal(*results)


@on_gpu
def test_tracing_leaves_the_random_numbers_of_a_gpu_alone() -> None:
    model = Masking().cuda()
    torch.manual_seed(1)
    expected = torch.rand(3, device="cuda")
    torch.manual_seed(1)
    gn.Tracer().trace(model, X.cuda())
    assert torch.equal(torch.rand(3, device="cuda"), expected)


@pytest.fixture
def _repeatable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Kernels that add up in one order."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(False)


@on_gpu
@pytest.mark.usefixtures("_repeatable")
@pytest.mark.parametrize("case", CASES, ids=repr)
def test_networks_of_other_kinds_compute_on_a_gpu_what_the_model_does(case: Case) -> None:
    torch.manual_seed(0)
    model = case.factory()
    graph = gn.Tracer(exact=True).trace(model, *(gn.example(**given) for given in case.traced))
    child = gn.build(graph, model.state_dict()).cuda().eval()
    model.cuda().eval()
    for given in (*case.traced, *case.untraced):
        moved = pytree.tree_map_only(Tensor, lambda tensor: tensor.cuda(), given)
        expected, found = (pytree.tree_leaves(network(**copy.deepcopy(moved))) for network in (model, child))
        assert all(torch.equal(*pair) for pair in zip(expected, found, strict=True) if isinstance(pair[0], Tensor))


@on_gpu
def test_autocast_on_a_gpu_is_followed() -> None:
    model = Masking().cuda().eval()
    child = gn.build(gn.Tracer().trace(model, X.cuda()), model.state_dict()).cuda().eval()
    results = []
    for network in (model, child):
        torch.manual_seed(1)
        with torch.autocast("cuda", dtype=torch.float16):
            results.append(network(X.cuda()))
    assert results[0].dtype == results[1].dtype
    assert torch.equal(*results)
