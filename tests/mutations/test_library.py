"""Alternatives that fit themselves to their site: where, with what shapes and parameters, and why not elsewhere."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.mutations.fitting import Fitting
from graphnas.mutations.sites import sites
from tests.models.resnet import resnet18
from tests.mutations.library import ALTERNATIVES, FITS, SITES, Heads
from tests.tracing.comparison import same

library = gn.library
FITTING_SITES = [name for name, fits in FITS.items() if fits]


def drawn(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


@functools.cache
def traced(name: str) -> gn.Graph:
    make, shape, _ = SITES[name]
    with gn.recording():
        model = nn.Sequential(make())
    return gn.trace(model, drawn(shape))


@functools.cache
def space(name: str) -> gn.Graph:
    """A site and all that fits there."""
    return gn.mutate(traced(name), gn.Swap("0", {option: ALTERNATIVES[option] for option in sorted(FITS[name])}))


def child_of(make: Callable[[], nn.Module], alternative: Any, shape: tuple[int, ...]) -> nn.Module:
    """What stands in the place of a module."""
    graph = gn.mutate(gn.trace(nn.Sequential(make()), drawn(shape)), gn.Swap("0", {"other": alternative}))
    return gn.build(gn.specialize(graph, {"0": "other"}))


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# ---------------------------------------------------------------- what fits where
@pytest.mark.parametrize("name", SITES)
def test_alternatives_fit_where_they_can(name: str) -> None:
    found = {
        option for option, one in ALTERNATIVES.items() if gn.Swap("0", {option: one}).explain(traced(name)).matched
    }
    assert found == FITS[name]


@pytest.mark.parametrize("name", FITTING_SITES)
def test_alternative_gives_the_shape_of_its_site_at_other_sizes(name: str) -> None:
    make, shape, other = SITES[name]
    original = make()
    for option in sorted(FITS[name]):
        child = gn.build(gn.specialize(space(name), {"0": option}))
        for dims in (shape, other):
            for training in (False, True):
                x = drawn(dims).requires_grad_()
                y = child.train(training)(x)
                assert y.shape == original(x).shape, (option, dims, training)
                gradients = torch.autograd.grad(y.square().sum(), [x, *child.parameters()])
                assert all(gradient.isfinite().all() for gradient in gradients), (option, dims, training)
                assert all(gradient.any() for gradient in gradients[:1]) == (option != "zero"), (option, dims)
    assert "graphnas/mutations/library" not in gn.emit(space(name))  # as a guard that refuses inputs would name it


@pytest.mark.parametrize("name", FITTING_SITES)
def test_child_equals_the_supernet_and_its_default_the_original(name: str) -> None:
    assert gn.specialize(space(name), gn.default(space(name))) == traced(name)
    supernet = gn.build(space(name))
    weights = {key: value.clone() for key, value in supernet.state_dict().items()}
    x = drawn(SITES[name][2])
    for option in ("original", *FITS[name]):
        child = gn.build(gn.specialize(space(name), {"0": option}), weights=weights)
        for training in (False, True):
            supernet.load_state_dict(weights)
            child.load_state_dict({key: weights[key] for key in child.state_dict()})
            assert same(child.train(training)(x), supernet.train(training)(x, plan={"0": option})), (option, training)
            state = supernet.state_dict()
            assert all(torch.equal(value, state[key]) for key, value in child.state_dict().items()), option


@given(
    own=st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 3), st.integers(1, 3)),
    kernel_size=st.integers(1, 6),
    dilation=st.integers(1, 3),
)
def test_padding_is_found_where_there_is_one(own: tuple[int, int, int, int], kernel_size: int, dilation: int) -> None:
    """A convolution fits if and only if one with some padding gives what the site gives, of every size."""
    taps, stride, padding, step = own
    sizes = range(40, 53)

    def results(taps: int, padding: int, step: int) -> list[int]:
        layer = nn.Conv1d(1, 1, taps, stride, padding, step, device="meta")
        return [layer(torch.empty(1, 1, size, device="meta")).shape[2] for size in sizes]

    wanted = results(taps, padding, step)
    model = nn.Sequential(nn.Conv1d(1, 1, taps, stride, padding, step))
    (site,) = sites(gn.trace(model, drawn((1, 1, 50))))
    try:
        found: Any = library.separable(kernel_size, dilation)(site)
    except gn.GraphError:
        assert all(results(kernel_size, other, dilation) != wanted for other in range(20))
    else:
        assert results(kernel_size, found[0].padding[0], dilation) == wanted


# ---------------------------------------------------------------- published blocks, by hand
BLOCKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], Fitting, int]] = {
    "3x3 and 1x1 in place of 3x3": (
        lambda: nn.Conv2d(64, 128, 3, padding=1, bias=False), (2, 64, 8, 8), library.separable(),
        9 * 64 + 64 * 128,
    ),
    "3x3 and 1x1 in place of 1x1": (
        lambda: nn.Conv2d(8, 16, 1, bias=False), (2, 8, 8, 8), library.separable(), 9 * 8 + 8 * 16,
    ),
    "5x5 in one dimension, with a bias": (
        lambda: nn.Conv1d(16, 32, 3, padding=1), (2, 16, 8), library.separable(5), 5 * 16 + 16 * 32 + 32,
    ),
    "MobileNetV2, bottleneck 16 to 24 of stride 2": (
        lambda: nn.Conv2d(16, 24, 3, 2, 1), (2, 16, 8, 8), library.inverted_residual(),
        (16 * 96 + 2 * 96) + (9 * 96 + 2 * 96) + (96 * 24 + 2 * 24),
    ),
    "MobileNetV2, first bottleneck, not widened": (
        lambda: nn.Conv2d(32, 16, 3, padding=1), (2, 32, 8, 8), library.inverted_residual(1),
        (9 * 32 + 2 * 32) + (32 * 16 + 2 * 16),
    ),
    "squeeze and excitation of 64 channels alone": (
        nn.ReLU, (2, 64, 8, 8), library.squeeze_excitation(), (64 * 4 + 4) + (4 * 64 + 64),
    ),
    "behind a convolution": (
        lambda: nn.Conv2d(32, 64, 3, padding=1, bias=False), (2, 32, 8, 8), library.squeeze_excitation(),
        9 * 32 * 64 + (64 * 4 + 4) + (4 * 64 + 64),
    ),
    "ResNeXt, 32 groups of 4 channels": (
        lambda: nn.Conv2d(128, 128, 3, padding=1, bias=False), (2, 128, 8, 8), library.grouped(32), 32 * 9 * 4 * 4,
    ),
    "a larger field of view": (
        lambda: nn.Conv2d(16, 16, 3, padding=1, bias=False), (2, 16, 8, 8), library.dilated(), 9 * 16 * 16,
    ),
    "the attention of BERT base": (
        lambda: nn.LayerNorm(768), (1, 4, 768), library.self_attention(), 4 * (768 * 768 + 768),
    ),
    "multi-query attention": (
        lambda: nn.LayerNorm(768), (1, 4, 768), library.grouped_query_attention(),
        2 * (768 * 768 + 768) + 2 * (768 * 64 + 64),
    ),
    "linear attention": (
        lambda: nn.LayerNorm(768), (1, 4, 768), library.linear_attention(), 4 * (768 * 768 + 768),
    ),
    "the mixer of PoolFormer": (nn.ReLU, (2, 8, 6, 6), library.pool_mixer(), 0),
    "nothing": (lambda: nn.Conv2d(8, 16, 3, 2, 1), (2, 8, 8, 8), library.zero(), 0),
    "an average that changes channels": (
        lambda: nn.Conv2d(8, 16, 3, 2, 1), (2, 8, 8, 8), library.average_pool(), 8 * 16 + 16,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("make", "shape", "alternative", "count"), BLOCKS.values(), ids=BLOCKS.keys())
def test_blocks_have_as_many_parameters_as_published(
    make: Callable[[], nn.Module], shape: tuple[int, ...], alternative: Fitting, count: int
) -> None:
    assert parameters(child_of(make, alternative, shape)) == count


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    theirs = Heads()
    ours: Any = child_of(Heads, library.self_attention(heads=2), (2, 6, 8))
    weights = theirs.attention
    q, k, v = weights.in_proj_weight.chunk(3)
    layer = ours.get_submodule("0_other")
    for mine, weight, bias in zip(
        (layer.query, layer.key, layer.value), (q, k, v), weights.in_proj_bias.chunk(3), strict=True
    ):
        mine.load_state_dict({"weight": weight, "bias": bias})
    layer.project.load_state_dict(weights.out_proj.state_dict())
    x = drawn((3, 5, 8))
    assert torch.allclose(ours.eval()(x), theirs.eval()(x), atol=1e-6)


def test_linear_attention_is_the_sum_that_it_factors() -> None:
    ours: Any = child_of(lambda: nn.LayerNorm(8), library.linear_attention(heads=1), (2, 6, 8))
    layer, x = ours.get_submodule("0_other"), drawn((3, 5, 8))
    q, k = F.elu(layer.query(x)) + 1, F.elu(layer.key(x)) + 1
    weights = q @ k.transpose(1, 2)
    wanted = layer.project(weights / weights.sum(-1, keepdim=True) @ layer.value(x))
    assert torch.allclose(ours(x), wanted, atol=1e-6)


def test_causal_attention_sees_nothing_that_comes_later() -> None:
    x = drawn((1, 6, 8))
    changed = torch.cat((x[:, :4], x[:, 4:] + 1), 1)
    for alternative, sees in (
        (library.self_attention(heads=2, causal=True), False),
        (library.self_attention(heads=2), True),
    ):
        child = child_of(Heads, alternative, (2, 6, 8))
        assert torch.equal(child(x)[:, :4], child(changed)[:, :4]) is not sees


class Masked(nn.Module):
    """Attention that is given a mask, as transformers has it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        y = self.fc(x).unsqueeze(1)
        return F.scaled_dot_product_attention(y, y, y, mask).squeeze(1)


class Around(nn.Module):
    """Hands tokens and a mask on."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = Masked()

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.attention(x, mask)


def test_attention_takes_the_mask_of_its_site() -> None:
    x, mask = drawn((2, 6, 8)), torch.ones(2, 1, 1, 6, dtype=torch.bool)
    graph = gn.trace(Around(), x, mask)
    graph = gn.mutate(graph, gn.Swap("attention", {"other": library.self_attention(heads=2)}))
    child = gn.build(gn.specialize(graph, {"attention": "other"}))
    mask = torch.tensor([True, True, True, False, False]).expand(3, 1, 1, 5)
    x = drawn((3, 5, 8))
    changed = torch.cat((x[:, :3], x[:, 3:] + 1), 1)
    assert torch.equal(child(x, mask)[:, :3], child(changed, mask)[:, :3])
    assert not torch.equal(child(x, ~mask)[:, :3], child(changed, ~mask)[:, :3])


@pytest.mark.parametrize(
    "mask", [torch.ones(2, 1, 6), torch.ones(2, 1, 6, 6, dtype=torch.long), torch.ones(2, 6, 8)], ids=str
)
def test_attention_refuses_what_is_no_such_mask(mask: Tensor) -> None:
    class Scaled(nn.Module):
        def forward(self, x: Tensor, mask: Tensor) -> Tensor:
            return x * mask.float().mean()

    model = Around()
    model.attention = Scaled()  # type: ignore[assignment]
    graph = gn.trace(model, drawn((2, 6, 8)), mask)
    with pytest.raises(gn.GraphError, match="at most a mask of the shape"):
        gn.mutate(graph, gn.Swap("attention", {"other": library.self_attention()}))


def test_alternative_has_the_dtype_of_its_site() -> None:
    model = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1).to(torch.bfloat16))
    x = drawn((2, 8, 8, 8), torch.bfloat16)
    graph = gn.mutate(gn.trace(model, x), gn.Swap("0", {"other": library.inverted_residual()}))
    child = gn.build(gn.specialize(graph, {"0": "other"}))
    assert {parameter.dtype for parameter in child.parameters()} == {torch.bfloat16}
    assert child(x).dtype == torch.bfloat16


# ---------------------------------------------------------------- why not elsewhere
REASONS: list[tuple[Callable[[], nn.Module], tuple[int, ...], Fitting, str]] = [
    (lambda: nn.Conv2d(8, 16, 1), (2, 8, 4, 4), library.identity(), r"it makes \(2, 16, 4, 4\) of \(2, 8, 4, 4\), and"),
    (lambda: nn.Conv2d(8, 8, 3, 2, 1), (2, 8, 1, 1), library.identity(), "changes other sizes than the traced ones"),
    (lambda: nn.Conv2d(8, 8, 5), (2, 8, 8, 8), library.separable(3), r"kernel_size - 1\) must be 4 or greater by an"),
    (lambda: nn.Conv2d(8, 12, 3), (2, 8, 8, 8), library.grouped(3), "into 3 groups; they can into 1, 2, 4"),
    (lambda: nn.Conv2d(8, 8, 3), (2, 8, 8, 8), library.convolution(3), "it is such a layer already"),
    (lambda: nn.ReLU(inplace=True), (2, 8), library.activations("relu")["relu"], "it is such a layer already"),
    (lambda: nn.Conv2d(8, 8, 3), (2, 8, 8, 8), library.convolution((3, 3, 3)), "or one for each of 2 sizes"),
    (
        lambda: nn.Conv2d(8, 8, 3),
        (2, 8, 8, 8),
        library.squeeze_excitation(0),
        r"excitation\(reduction=0\) cannot be built for it",
    ),
    (lambda: nn.Conv2d(8, 8, 3), (8, 8, 8), library.separable(), "not known to be"),
    (lambda: nn.Conv2d(8, 8, 3), (2, 8, 8, 8), library.inverted_residual(0), "expansion=0 leaves no channels"),
    (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (2, 8, 8, 8), library.separable(), "rounds sizes up"),
    (lambda: nn.MaxPool2d(3, 2, ceil_mode=True), (2, 8, 8, 8), library.max_pool(5), "only its own kernel_size=3"),
    (nn.Tanh, (2, 8, 6, 7), library.separable(), r"nothing tells where in \(2, 8, 6, 7\) the channels are"),
    (lambda: nn.Upsample(scale_factor=(1, 0.5)), (2, 8, 6, 6), library.average_pool(), "nothing tells where in"),
    (lambda: nn.AdaptiveAvgPool2d(1), (2, 8, 4, 4), library.zero(), "one size whatever it is given"),
    (lambda: nn.Upsample(scale_factor=2), (2, 8, 4, 4), library.separable(), "a size of 8 of one of 4"),
    (lambda: nn.Embedding(5, 8), (2, 4), library.identity(), r"it makes torch\.float32 of torch\.int64"),
    (lambda: nn.LayerNorm((4, 4, 4)), (2, 4, 4, 4), library.batch_norm(), "nothing tells where in"),
    (lambda: nn.LayerNorm(12), (2, 4, 12), library.group_norm(5), "into 5 groups; they can into 1, 2, 3, 4, 6, 12"),
    (lambda: nn.LayerNorm(12), (2, 4, 12), library.self_attention(5), "into 5 heads; they can into 1, 2, 3, 4, 6, 12"),
    (
        lambda: nn.LayerNorm(12),
        (2, 4, 12),
        library.grouped_query_attention(3, heads=4),
        "4 heads .* cannot share 3 keys .*: 1, 2, 4",
    ),
    (lambda: nn.LayerNorm(12), (2, 4, 12), library.pool_mixer(4), "it must be 3, 5, 7"),
    (lambda: nn.Conv2d(8, 8, 3, 2), (2, 8, 8, 8), library.linear_attention(), "as many pixels as it is given"),
    (lambda: nn.Bilinear(8, 8, 8), (2, 8), library.identity(), "it reads 2 tensors"),
]


class Given(nn.Module):
    """Calls one layer with all that it takes."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x, x + 1) if isinstance(self.layer, nn.Bilinear) else self.layer(x)


@pytest.mark.parametrize(("make", "shape", "alternative", "reason"), REASONS)
def test_reason_is_told(
    make: Callable[[], nn.Module], shape: tuple[int, ...], alternative: Fitting, reason: str
) -> None:
    layer = make()
    x = torch.zeros(shape, dtype=torch.long) if isinstance(layer, nn.Embedding) else drawn(shape)
    graph = gn.trace(Given(layer), x)
    rule = gn.Swap("layer", {"other": alternative})
    with pytest.raises(gn.GraphError, match=rf"passes over every site.*\n.*'other' does not fit: .*{reason}"):
        gn.mutate(graph, rule)
    assert [site.name for site, _ in rule.explain(graph).passed] == ["layer"]


def test_attention_refuses_tokens_before_the_batch() -> None:
    graph = gn.trace(Heads(batch_first=False), drawn((6, 2, 8)))
    with pytest.raises(gn.GraphError, match="trace it with batch_first=True"):
        gn.mutate(graph, gn.Swap("attention", {"other": library.self_attention()}))


def test_rule_passes_over_the_sites_that_an_alternative_does_not_fit() -> None:
    graph = gn.trace(resnet18(), drawn((2, 3, 32, 32)))
    rule = gn.Swap("layer2.*.conv?", {"none": library.identity(), "sep": library.separable()})
    explanation = rule.explain(graph)
    assert [site.name for site in explanation.matched] == ["layer2.0.conv2", "layer2.1.conv1", "layer2.1.conv2"]
    ((site, reason),) = explanation.passed
    assert site.name == "layer2.0.conv1"
    assert reason.startswith("alternative 'none' does not fit: it makes (2, 128, 4, 4) of (2, 64, 8, 8)")
    assert set(gn.mutate(graph, rule).choices) == {site.name for site in explanation.matched}


def test_rules_act_on_what_the_library_has_put_in() -> None:
    torch.manual_seed(0)
    graph = gn.trace(resnet18(8, 10), drawn((2, 3, 32, 32)))
    rules = (
        gn.Swap("layer2.?.conv1", {"inverted": library.inverted_residual(2)}),
        gn.Swap(nn.ReLU6, library.activations("silu"), "act"),
        gn.Swap("layer2.0.conv1_inverted.layers.3", {"average": library.average_pool()}),
        gn.Value("layer2.1.conv1_inverted.layers.3", "kernel_size", (5,), also={"padding": lambda kernel: kernel // 2}),
        gn.Skip("layer2.1.conv1"),
    )
    wider = gn.mutate(graph, *rules)
    assert gn.specialize(wider, gn.default(wider)) == graph
    assert gn.from_json(gn.to_json(wider)) == wider
    supernet, x = gn.build(wider).eval(), drawn((3, 3, 37, 41))
    for arch in itertools.islice(gn.enumerate_archs(wider), 0, 200, 3):
        child = gn.build(gn.specialize(wider, arch), weights=supernet.state_dict()).eval()
        assert torch.equal(child(x), supernet(x, plan=arch)), arch


# ---------------------------------------------------------------- as Python functions
def test_functions_take_all_but_the_site() -> None:
    assert list(inspect.signature(library.separable).parameters) == ["kernel_size", "dilation"]
    assert repr(library.separable(5)) == "separable(kernel_size=5)"
    assert library.separable(5) == library.separable(kernel_size=5)
    with pytest.raises(TypeError, match="kernel"):
        library.separable(kernel=5)  # type: ignore[call-arg]


def test_groups_are_mappings_of_alternatives() -> None:
    assert list(library.activations("gelu", "silu")) == ["gelu", "silu"]
    with pytest.raises(ValueError, match=r"no activation 'swish'.*Did you mean 'hardswish'"):
        library.activations("swish")
    with pytest.raises(ValueError, match="name the activations"):
        library.activations()
    graph = gn.trace(resnet18(), drawn((2, 3, 32, 32)))
    found = gn.mutate(graph, gn.Swap("layer1.*.conv?", library.convolutions())).choices
    assert found["layer1.0.conv1"].options == ("original", "separable", "dilated", "inverted_residual")


def test_own_function_can_be_made_one_of_the_library() -> None:
    @library.fitting
    def narrow(site: Any, most: int = 8) -> nn.Module:
        if site.input_shape[1] > most:
            raise gn.GraphError(f"more than {most} channels")
        return nn.Identity()

    graph = gn.trace(nn.Sequential(nn.ReLU(), nn.Conv2d(4, 16, 1), nn.ReLU()), drawn((2, 4, 4, 4)))
    explanation = gn.Swap(nn.ReLU, {"none": narrow(most=8)}).explain(graph)
    assert [site.name for site in explanation.matched] == ["0"]
    assert [reason for _, reason in explanation.passed] == ["alternative 'none' does not fit: more than 8 channels"]


def test_emitted_child_reads_well(golden: Callable[[str | Path, str], None]) -> None:
    graph = gn.trace(resnet18(), drawn((2, 3, 32, 32)))
    alternatives = {
        "separable": library.separable(5), "inverted": library.inverted_residual(4),
        "excited": library.squeeze_excitation(),
    }  # fmt: skip
    graph = gn.mutate(graph, gn.Swap("layer[12].*.conv?", alternatives))
    options = ("inverted", "separable", "excited", "original") * 2
    arch = dict(zip(sorted(graph.choices), options, strict=True))
    text = gn.emit(gn.specialize(graph, arch))
    golden("library/resnet18_child.py", text)
    assert max(map(len, text.splitlines())) <= 99
