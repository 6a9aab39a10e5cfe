"""`init_weights` in emitted files: written as a person would, right, and the same in supernets and children."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import graphnas as gn
from benchmarks.readability import _findings
from graphnas.ir.graph import Graph
from tests.models.gpt import GPT
from tests.models.mobilenet_v3 import mobilenet_v3_small
from tests.models.resnet import resnet18, resnet50
from tests.models.vit import vit_b_16

IMAGE = torch.zeros(2, 3, 32, 32)
ROWS: list[tuple[str, Callable[[], nn.Module], Tensor, int]] = [
    ("resnet18", resnet18, IMAGE, 12),
    ("resnet50", resnet50, IMAGE, 12),
    ("mobilenet_v3_small", mobilenet_v3_small, IMAGE, 16),
    ("vit_b_16", lambda: vit_b_16(32), IMAGE, 16),
    ("gpt", lambda: GPT(depth=6), torch.zeros(2, 7, dtype=torch.long), 18),
]


def traced(factory: Callable[[], nn.Module], *examples: Tensor) -> Graph:
    """The graph of a recorded model."""
    with gn.recording():
        model = factory()
    graph = gn.trace(model, *(examples or (torch.zeros(2, 4),)))
    gn.verify(graph)
    return graph


def written(graph: Graph) -> str:
    """The body of `init_weights`."""
    source = gn.emit(graph)
    assert not _findings(source)
    assert max(map(len, source.splitlines())) <= 99
    body = source.partition("    def init_weights(self):\n")[2].partition("\n\n\n")[0]
    return "\n".join(line.removeprefix(" " * 8) for line in body.splitlines())


@pytest.mark.parametrize(("name", "factory", "example", "lines"), ROWS, ids=[row[0] for row in ROWS])
def test_published_networks_start_compactly(
    name: str,
    factory: Callable[[], nn.Module],
    example: Tensor,
    lines: int,
    golden: Callable[[str, str], None],
) -> None:
    graph = traced(factory, example)
    source = gn.emit(graph)
    golden(f"starts/{name}.txt", written(graph) + "\n")
    assert source == gn.emit(gn.from_json(gn.to_json(graph)))
    with_out = gn.emit(gn.trace(factory(), example))
    assert source.count("\n") - with_out.count("\n") <= lines
    assert source.count("\nclass ") == with_out.count("\nclass ")


# ---------------------------------------------------------------- rules and exceptions
class Stack(nn.Module):
    """Layers one after the other, started by a function."""

    def __init__(self, layers: list[nn.Module], start: Callable[[nn.Sequential], object]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        with torch.no_grad():
            start(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def linears(count: int, bias: bool = True) -> list[nn.Module]:
    """Equal layers."""
    return [nn.Linear(4, 4, bias=bias) for _ in range(count)]


def stack(layers: list[nn.Module], start: Callable[[nn.Sequential], object]) -> str:
    """The body of `init_weights` of layers started by a function."""
    made = [type(layer) for layer in layers]
    assert made
    with gn.recording():
        model = Stack([_again(layer) for layer in layers], start)
    return written(gn.trace(model, torch.zeros(2, 4)))


def _again(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.Linear):
        return nn.Linear(4, 4, bias=layer.bias is not None)
    return type(layer)(4)


def all_zero(layers: nn.Sequential) -> None:
    """Every weight is 0."""
    for layer in layers:
        nn.init.zeros_(layer.weight)  # type: ignore[arg-type]


def test_single_layers_go_by_name() -> None:
    assert stack(linears(1), all_zero) == "nn.init.zeros_(self.layers[0].weight)"


def test_what_all_share_is_said_once() -> None:
    body = stack(linears(3), all_zero)
    assert body == (
        "for module in self.modules():\n    if isinstance(module, nn.Linear):\n        nn.init.zeros_(module.weight)"
    )


def test_types_that_start_alike_share_a_rule() -> None:
    body = stack(
        [*linears(2), nn.LayerNorm(4), nn.LayerNorm(4)],
        lambda layers: [nn.init.constant_(layer.weight, 2) for layer in layers],
    )
    assert "isinstance(module, (nn.Linear, nn.LayerNorm))" in body
    assert body.count("constant_") == 1


def test_bias_that_some_layers_lack_is_asked_for() -> None:
    body = stack(
        [*linears(2), *linears(3, bias=False)], lambda layers: [nn.init.ones_(layer.bias) for layer in layers[:2]]
    )
    assert "if isinstance(module, nn.Linear) and module.bias is not None:\n        nn.init.ones_(module.bias)" in body


def test_exceptions_follow_the_rule() -> None:
    def start(layers: nn.Sequential) -> None:
        all_zero(layers)
        nn.init.ones_(layers[2].weight)  # type: ignore[arg-type]

    assert stack(linears(4), start).endswith("nn.init.zeros_(module.weight)\nnn.init.ones_(self.layers[2].weight)")


def test_layer_that_the_rule_should_leave_alone_is_reset() -> None:
    body = stack(linears(5), lambda layers: all_zero(layers[:4]))
    assert body.endswith("nn.init.zeros_(module.weight)\nself.layers[4].reset_parameters()")
    body = stack(linears(9), lambda layers: all_zero(layers[:6]))
    assert "for layer in (self.layers[6], self.layers[7], self.layers[8]):\n    layer.reset_parameters()" in body


def test_few_of_many_go_by_name_and_leave_the_others_alone() -> None:
    body = stack(linears(9), lambda layers: all_zero(layers[:3]))
    assert "modules()" not in body
    assert body.splitlines() == [
        "for weight in (self.layers[0].weight, self.layers[1].weight, self.layers[2].weight):",
        "    nn.init.zeros_(weight)",
    ]


class Block(nn.Module):
    """A layer, a scale of its own, and an addition."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.proj = nn.Linear(4, 4)
        self.gamma = nn.Parameter(scale * torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.proj(x)


def test_parameters_of_a_class_share_a_rule_and_ends_of_names_tell_exceptions() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Linear(4, 4)
            self.blocks = nn.Sequential(*(Block(1e-6 if number else 0.1) for number in range(6)))
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.orthogonal_(module.weight)
            for block in self.blocks:
                nn.init.zeros_(block.proj.bias)

        def forward(self, x: Tensor) -> Tensor:
            return self.blocks(self.stem(x))

    graph = traced(Net)
    assert written(graph).splitlines() == [
        "for module in self.modules():",
        "    if isinstance(module, nn.Linear):",
        "        nn.init.orthogonal_(module.weight)",
        "    elif isinstance(module, Block):",
        "        nn.init.constant_(module.gamma, 1e-06)",
        "for name, parameter in self.named_parameters():",
        '    if name.endswith("proj.bias"):',
        "        nn.init.zeros_(parameter)",
        "nn.init.constant_(self.blocks[0].gamma, 0.1)",
    ]
    built = gn.build(graph)
    assert [block.gamma[0].item() for block in built.blocks] == pytest.approx([0.1] + [1e-6] * 5)  # type: ignore[union-attr]
    assert built.stem.bias.std() > 0  # type: ignore[union-attr, operator]


def test_layers_inside_of_torchs_layers_keep_their_own_start() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.layers = nn.Sequential(*linears(3))
            for layer in self.layers:
                nn.init.constant_(layer.weight, 0.5)
                nn.init.constant_(layer.bias, 0.5)

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(self.attention(x, x, x)[0])

    graph = traced(Net, torch.zeros(2, 3, 4))
    assert "if type(module) is nn.Linear:" in written(graph)
    out_proj = gn.build(graph).attention.out_proj  # type: ignore[union-attr]
    assert out_proj.weight.std() > 0  # type: ignore[union-attr, operator]
    assert not out_proj.bias.any()  # type: ignore[union-attr, operator]


def test_layers_inside_of_torchs_layers_are_started_by_the_rule() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
            self.head = nn.Linear(4, 4)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.constant_(module.weight, 0.25)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.encoder(x))

    graph = traced(Net, torch.zeros(2, 3, 4))
    state = gn.build(graph).state_dict()
    assert len(written(graph).splitlines()) == 3
    names = ("encoder.self_attn.out_proj", "encoder.linear1", "encoder.linear2", "head")
    assert all(bool((state[f"{name}.weight"] == 0.25).all()) for name in names)
    assert state["encoder.self_attn.in_proj_weight"].std() > 0


def test_computed_values_are_written_out_under_no_grad() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            table = torch.zeros(6, 4)
            steps = torch.arange(6.0).unsqueeze(1)
            table[:, ::2] = torch.sin(steps * torch.tensor([1.0, 0.1]))
            self.table = nn.Parameter(table)
            self.words = nn.Embedding(6, 4, padding_idx=2)
            nn.init.normal_(self.words.weight, std=0.1)
            with torch.no_grad():
                self.words.weight[2].zero_()
            self.scales = nn.ParameterList(torch.full((4,), 0.5) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.words(x) + self.table + self.scales[0] + self.scales[1] + self.scales[2]

    graph = traced(Net, torch.arange(6))
    assert "    @torch.no_grad()\n    def init_weights(self):" in gn.emit(graph)
    assert written(graph).splitlines() == [
        "nn.init.zeros_(self.table)",
        "self.table[:, ::2] = torch.sin(torch.arange(6.0).unsqueeze(1) * torch.tensor([1.0, 0.1]))",
        "for tensor in (self.scales[0], self.scales[1], self.scales[2]):",
        "    nn.init.constant_(tensor, 0.5)",
        "nn.init.normal_(self.words.weight, std=0.1)",
        "nn.init.zeros_(self.words.weight[2])",
    ]
    network = gn.build(graph)
    assert not network.words.weight[2].any()  # type: ignore[union-attr, index]
    assert network.table.requires_grad


# ---------------------------------------------------------------- spaces
class Separable(nn.Module):
    """An alternative with a start of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.scale = nn.Parameter(torch.full((1,), 0.25))
        nn.init.dirac_(self.depthwise.weight, groups=channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * self.depthwise(x)


@pytest.fixture(scope="module")
def space() -> Graph:
    """A ResNet whose convolutions may be replaced, by others and by one of another kernel."""
    graph = traced(lambda: resnet18(8, 10), IMAGE)
    return gn.mutate(
        graph,
        gn.Swap("layer[12].1.conv2", {"separable": lambda site: Separable(site.config["out_channels"])}),
        gn.Value("layer3.1.conv2", "kernel_size", (5,), also={"padding": lambda kernel: kernel // 2}),
        gn.Skip("layer4.1.conv2"),
    )


def test_default_of_a_space_starts_as_the_original(space: Graph) -> None:
    original = traced(lambda: resnet18(8, 10), IMAGE)
    assert gn.specialize(space, gn.default(space)) == original


def test_children_start_as_the_authors_of_their_parts_meant(space: Graph) -> None:
    arch = {**gn.default(space), "layer1.1.conv2": "separable", "layer3.1.conv2.kernel_size": 5}
    child = gn.specialize(space, arch)
    state = gn.build(child).state_dict()
    assert state["layer1.1.conv2_separable.scale"] == 0.25
    assert set(state["layer1.1.conv2_separable.depthwise.weight"].unique().tolist()) == {0.0, 1.0}
    assert state["layer3.1.conv2.weight"].std() == pytest.approx((2 / (32 * 25)) ** 0.5, rel=0.1)
    assert state["layer2.1.conv2.weight"].std() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.15)
    assert not _findings(gn.emit(child))


def test_supernet_starts_every_part(space: Graph) -> None:
    source = gn.emit(space)
    assert not _findings(source)
    state = gn.build(space).state_dict()
    assert state["layer2.1.conv2_separable.scale"] == 0.25
    assert state["layer3.1.conv2.weight"].shape[-1] == 5
    assert state["layer3.1.conv2.weight"].std() == pytest.approx((2 / (32 * 25)) ** 0.5, rel=0.1)
    assert state["layer1.1.conv2.weight"].std() == pytest.approx((2 / (8 * 9)) ** 0.5, rel=0.25)


def test_layers_that_the_plan_decides_start_by_name() -> None:
    graph = traced(lambda: resnet18(8, 10), IMAGE)
    rule = gn.Value(
        "layer[34].*.conv2", "kernel_size", (5,), label="{node}.kernel", also={"padding": lambda kernel: kernel // 2}
    )
    body = written(gn.mutate(graph, rule))
    assert "nn.Module)" not in body
    assert "for weight in (" in body
    state = gn.build(gn.mutate(graph, rule)).state_dict()
    assert state["layer4.1.conv2.weight"].std() == pytest.approx((2 / (64 * 25)) ** 0.5, rel=0.1)


def test_alternatives_are_recorded_although_the_model_was_not() -> None:
    graph = gn.trace(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1)), torch.zeros(2, 4, 5, 5))
    space = gn.mutate(graph, gn.Swap("0", {"separable": lambda site: Separable(4)}))
    assert "init_weights" not in gn.emit(gn.specialize(space, {"0": "original"}))
    child = gn.specialize(space, {"0": "separable"})
    assert gn.build(child).state_dict()["0_separable.scale"] == 0.25


# ---------------------------------------------------------------- weights and files
def test_weights_go_before_starts_and_starts_fill_what_they_lack() -> None:
    with gn.recording():
        model = Block(0.5)
        nn.init.constant_(model.proj.weight, 2.0)
    graph = gn.trace(model, torch.zeros(2, 4))
    built = gn.build(graph, weights={"gamma": torch.full((4,), 3.0)})
    assert built.gamma[0] == 3  # type: ignore[index]
    assert built.proj.weight[0, 0] == 2  # type: ignore[union-attr, index]
    state = torch.get_rng_state()
    built = gn.build(graph, weights=model.state_dict())
    assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in built.state_dict().items())
    torch.set_rng_state(state)
    built = gn.build(graph, weights={f"proj.{name}": tensor for name, tensor in model.proj.state_dict().items()})
    assert built.gamma[0] == 0.5  # type: ignore[index]
    with pytest.raises(gn.EmitError, match=r"have no 'proj\.bias'"):
        gn.build(graph, weights={"proj.weight": model.proj.weight})


def test_file_stands_alone_and_starts_by_itself(tmp_path: Path) -> None:
    graph = traced(lambda: Block(0.5))
    (tmp_path / "child.py").write_text(gn.emit(graph))
    code = "import child, sys; print(float(child.build().gamma[0]), 'graphnas' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["0.5", "False"]
    gn.export(graph, tmp_path / "exported.py")
    assert "init_weights" in (tmp_path / "exported.py").read_text()


def test_graph_without_recording_is_written_as_before() -> None:
    source = gn.emit(gn.trace(nn.Sequential(nn.Linear(4, 4)), torch.zeros(2, 4)))
    assert "init_weights" not in source
    assert "def build() -> nn.Module:\n    return Sequential()" in source


def test_bare_parameter_without_recording_or_weights_is_refused() -> None:
    with pytest.raises(
        gn.EmitError, match=r"'gamma' belongs to no layer.*or build the model inside `with gn\.recording"
    ):
        gn.build(gn.trace(Block(0.5), torch.zeros(2, 4)))
