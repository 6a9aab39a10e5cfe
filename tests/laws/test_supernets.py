"""Laws 4, 6, 10 and the hard part of 11 on spaces that rules make of real networks, and on generated ones."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Mapping

import pytest
import torch
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from graphnas.analysis.shapes import shapes
from graphnas.codegen.build import build
from graphnas.errors import EmitError
from graphnas.ir.choice import Arch
from graphnas.ir.graph import Graph
from graphnas.ir.node import Layer, refs_in
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import default, specialize
from graphnas.ir.verify import verify
from graphnas.mutations import library
from graphnas.mutations.depth import Depth
from graphnas.mutations.inputs import Inputs
from graphnas.mutations.mutate import Rule, mutate
from graphnas.mutations.operators import op
from graphnas.mutations.pattern import Pattern
from graphnas.mutations.selectors import region
from graphnas.mutations.sites import Site
from graphnas.mutations.skip import Skip
from graphnas.mutations.swap import Swap
from graphnas.mutations.value import Value
from graphnas.tracing.tracer import trace
from tests.laws.networks import (
    GPT_SMALL,
    MOBILENET,
    NETWORKS,
    RESNET_18,
    RESNET_50,
    VIT,
    Network,
    Run,
    SteadyDraws,
    run,
    same,
    tensors,
)
from tests.laws.spaces import some_arch, spaces

SAMPLES = 3
# What no supernet can do as its children do: an effect that some of them lack.
REFUSED = "put the choice that does so outside of the module"


class Separable(nn.Module):
    """A depthwise and a pointwise convolution, with an activation in place between them."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.act = nn.ReLU(inplace=True)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)

    @staticmethod
    def of(site: Site) -> Separable:
        """For a convolution that keeps its channels."""
        return Separable(site.config["out_channels"], site.config["stride"])

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.act(self.norm(self.depthwise(x))))


class Point(nn.Module):
    """A pointwise convolution and an activation in place."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        config = site.parts[0].config
        self.conv = nn.Conv2d(config["in_channels"], config["out_channels"], 1, config["stride"])

    @staticmethod
    def of(site: Site) -> Point:
        """For a convolution, a norm and an activation."""
        return Point(site)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.conv(x))


class Gate(nn.Module):
    """A gated sum."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x * torch.sigmoid(y) + y


CONV, NORM = op(nn.Conv2d), op(nn.BatchNorm2d)
ACTIVATIONS = Swap(nn.ReLU, {"silu": nn.SiLU(inplace=True), "tanh": nn.Tanh})
RULES: dict[Network, tuple[Rule, ...]] = {
    RESNET_18: (
        ACTIVATIONS,
        Swap("layer[12].*.conv2", {"separable": Separable.of}),
        Swap("layer[23].*.conv1", {"inverted": library.inverted_residual(2), "zero": library.zero()}),
        Value("layer3.*.conv2", "kernel_size", (1, 5), also={"padding": lambda kernel: kernel // 2}),
        Skip("layer4.1"),
        Inputs("layer3.1", "layer3.0.bn2", take=None),
    ),
    RESNET_50: (
        Pattern(lambda x: op(nn.ReLU)(NORM(op(nn.Conv2d, kernel_size=1)(x))), {"point": Point.of}, where="layer[12].*"),
        ACTIVATIONS,
        Skip(region("layer[34].*.conv2", "layer[34].*.bn2")),
        Depth("layer[1-4]"),
        Inputs("layer4.2.conv3", "layer4.1.bn2"),
    ),
    MOBILENET: (
        Pattern(lambda x: op(nn.Hardswish)(NORM(CONV(x))), {"point": Point.of}, label="point"),
        Swap(nn.Hardswish, {"silu": nn.SiLU(inplace=True)}),
        Swap("*.block.1.0", {"separable": library.separable(5), "average": library.average_pool()}),
        Value(nn.Dropout, "p", (0.5,)),
    ),
    VIT: (
        Pattern(lambda x, y: x + y, {"gate": Gate}, where="blocks.*"),
        Swap("*.self_attention", {"shared": library.grouped_query_attention(), "linear": library.linear_attention()}),
        Swap(nn.LayerNorm, {"rms": library.rms_norm(), "batch": library.batch_norm()}, "norm"),
        Swap(nn.GELU, {"relu": nn.ReLU}),
        Skip("blocks.*.mlp"),
        Value(nn.Dropout, "p", (0.5, 0.0), label="p"),
        Depth("blocks"),
    ),
    GPT_SMALL: (
        Swap("h.*.attn", {"causal": library.grouped_query_attention(2, heads=4, causal=True)}),
        Swap(nn.GELU, {"relu": nn.ReLU, "silu": nn.SiLU}),
        Skip("h.*.mlp"),
        Value("*.mlp.drop", "p", (0.3,)),
        Depth("h"),
    ),
}


@functools.cache
def graph_of(network: Network) -> Graph:
    """The network, traced."""
    return trace(network.model(), network.example(*network.traced))


@functools.cache
def space_of(network: Network) -> Graph:
    """The network with choices."""
    return mutate(graph_of(network), *RULES[network])


def archs(space: Graph) -> list[Arch]:
    """The default and a few samples."""
    return [default(space), *(sample(space, seed) for seed in range(SAMPLES))]


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_default_of_a_space_made_by_rules_is_the_traced_graph(network: Network) -> None:
    graph, space = graph_of(network), space_of(network)
    verify(space)
    assert space.size() > 1
    assert specialize(space, default(space)) == graph
    for rule in RULES[network]:
        alone = mutate(graph, rule)
        assert specialize(alone, default(alone)) == graph


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_child_equals_the_supernet_under_its_plan(network: Network, training: bool) -> None:
    space = space_of(network)
    supernet = build(space, network.model().state_dict())
    weights = state_of(supernet)
    for arch in archs(space):
        child = build(specialize(space, arch), weights)
        own = state_of(child)
        for size in (network.traced, network.untraced[0]):
            _check(supernet, child, weights, own, (network.example(*size),), arch, training)


def state_of(network: nn.Module) -> dict[str, Tensor]:
    """A copy of the network's state."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _check(
    supernet: nn.Module,
    child: nn.Module,
    weights: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    inputs: tuple[Tensor, ...],
    arch: Arch,
    training: bool,
) -> None:
    """Law 4, the order of the state, and that nothing flows to what did not run."""
    ours = run(child, own, *inputs, training=training)
    theirs = run(supernet, weights, *inputs, training=training, plan=arch)
    _compare(theirs, ours, weights, own, arch)
    whole = _whole(weights, own)
    for name, gradient in theirs.gradients.items():
        if name not in own:
            assert gradient is None, f"{name} has a gradient and did not run"
        elif name in whole and name in ours.gradients:
            assert same(gradient, ours.gradients[name]), f"the gradient of {name} differs under {dict(arch)}"


def _whole(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> list[str]:
    """The tensors of which a child has all."""
    return [name for name in own if own[name].shape == weights[name].shape]


def _compare(
    theirs: Run,
    ours: Run,
    weights: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    arch: Arch,
    unordered: Collection[str] = (),
) -> None:
    assert [name for name in weights if name in own] == list(own)
    assert same(theirs.output, ours.output), f"the output under {dict(arch)} differs"
    for name in _whole(weights, own):
        if name.rpartition(".")[0] in unordered:
            continue
        assert same(theirs.state[name], ours.state[name]), f"{name} differs afterwards under {dict(arch)}"
    for name in weights.keys() - own.keys():
        assert same(theirs.state[name], weights[name]), f"{name} changed and did not run"


@pytest.mark.parametrize("network", NETWORKS, ids=repr)
def test_every_child_runs_with_the_promised_shapes(network: Network) -> None:
    space = space_of(network)
    weights = network.model().state_dict()
    for arch in archs(space):
        child = specialize(space, arch)
        verify(child)
        assert_promised(child, build(child, weights), (network.example(*network.traced),))


def assert_promised(graph: Graph, network: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Law 10: the network's results have the shapes and dtypes that the analysis promised."""
    promised = shapes(graph)
    found = list(tensors(network.eval()(*inputs)))
    results = [promised[ref.name] for ref in refs_in(graph.output)]
    assert [(tuple(tensor.shape), str(tensor.dtype)) for tensor in found] == [(r.dims, r.dtype) for r in results]


# ---------------------------------------------------------------- generated spaces
@settings(phases=[Phase.generate])
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_child_equals_the_supernet_in_generated_spaces(space: Graph, seed: int) -> None:
    """Bit for bit, given the same random draws: a supernet draws when it is asked, a child in the order of its lines.

    What several calls of one layer add to, gradients and running statistics, depends on their order too: gradients are
    equal up to the order of that sum, and such statistics are left out.
    """
    inputs = _inputs(space)
    torch.manual_seed(seed)
    supernet = _supernet(space)
    weights = state_of(supernet)
    arch = some_arch(space, seed)
    child = build(specialize(space, arch), weights)
    own = state_of(child)
    plan = {"plan": arch} if space.choices else {}
    for training in (False, True):
        with SteadyDraws():
            differentiate = _is_differentiable(child, own, inputs, training)
            ours = run(child, own, *inputs, training=training, differentiate=differentiate)
            theirs = run(supernet, weights, *inputs, training=training, differentiate=differentiate, **plan)
        often = _called_often(space) if training else set()
        _compare(theirs, ours, weights, own, arch, often)
        ran = {id(tensor) for name, tensor in _parameters(supernet) if name in own}  # also under another's name
        for name, parameter in supernet.named_parameters():
            gradient = theirs.gradients[name]
            if id(parameter) not in ran:
                assert gradient is None, f"{name} has a gradient and did not run"
            elif name in _whole(weights, own) and name in ours.gradients:
                assert _close(gradient, ours.gradients[name]), f"the gradient of {name} differs under {dict(arch)}"


def _supernet(space: Graph) -> nn.Module:
    try:
        return build(space, _bare(space))
    except EmitError as error:
        if REFUSED in str(error):
            reject()
        raise


def _called_often(space: Graph) -> set[str]:
    """The layers that are called more than once, by path."""
    paths = [node.op.path for node in space.nodes if isinstance(node.op, Layer)]
    return {path for path in paths if paths.count(path) > 1}


def _parameters(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return network.named_parameters(remove_duplicate=False)


def _close(first: Tensor | None, second: Tensor | None) -> bool:
    if first is None or second is None:
        return first is second
    scale = second.nan_to_num().abs().max().item()
    return torch.allclose(first, second, rtol=1e-5, atol=1e-5 * scale, equal_nan=True)


def _is_differentiable(
    network: nn.Module, weights: Mapping[str, Tensor], inputs: tuple[Tensor, ...], training: bool
) -> bool:
    """Whether a network can be differentiated: a generated one may count in a buffer that its gradient needs."""
    try:
        run(network, weights, *inputs, training=training)
    except RuntimeError as error:
        if "modified by an inplace operation" not in str(error):
            raise
        return False
    return True


@settings(phases=[Phase.generate])
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_every_generated_child_runs_with_the_promised_shapes(space: Graph, seed: int) -> None:
    child = specialize(space, some_arch(space, seed))
    assert_promised(child, build(child, _bare(child)), _inputs(space))


def _inputs(space: Graph) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randn(item.shape, generator=generator) for item in space.inputs)


def _bare(space: Graph) -> dict[str, Tensor]:
    """Values for the tensors that no layer starts."""
    rows = [entry for entry in space.modules if entry.kind in ("parameter", "buffer") and not entry.same_as]
    return {entry.path: torch.rand(entry.config["shape"]) for entry in rows}
