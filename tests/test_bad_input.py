"""Bad input of every kind: the right error with what, where and what to do; nothing lost, and the model untouched."""

from __future__ import annotations

import builtins
import hashlib
import inspect
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # torch imports it late and by itself, and replaces functions of its own then
from torch import Tensor, nn
from torch.nn import functional as F

import graphnas as gn
from graphnas.errors import ArchError, ConstraintError, EmitError, GraphError, GraphNASError, TraceError, TrialError
from graphnas.ir.graph import Graph
from graphnas.ir.storing import from_json, to_json

HERE = "test_bad_input.py"


# ---------------------------------------------------------------- a user's model
class Block(nn.Module):
    """A convolution, a norm that is frozen by its user, and an activation in place."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.norm.weight.requires_grad_(False)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.norm(self.conv(x)))  # LINE: block


class Net(nn.Module):
    """Two blocks and a head, with a hook, a mixed mode and state of its own."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.head = nn.Linear(4, 10)
        self.register_buffer("steps", torch.tensor(7))
        self.notes = {"seen": [1, 2]}

    def forward(self, x: Tensor) -> Tensor:  # LINE: signature
        self.notes["seen"].append(3)
        self.steps += 1  # LINE: forward
        x = self.stem(x)  # LINE: stem
        x = self.blocks(x)
        if self.fails:
            raise RuntimeError("the sensor is offline")  # LINE: raise
        return self.head(x.mean((2, 3)))


def line_of(mark: str) -> int:
    """The line of this file that carries a mark."""
    lines = inspect.getsource(sys.modules[__name__]).splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.endswith(f"# LINE: {mark}"))


def made(fails: bool = False) -> Net:
    """The model, in training with one part in evaluation, as a careful user may have it."""
    torch.manual_seed(0)
    model = Net(fails)
    model.train()
    model.blocks[0].norm.eval()
    model.head.register_forward_hook(lambda module, args, output: None)
    model.blocks[0].register_forward_pre_hook(lambda module, args: None)
    model.blocks[1].register_full_backward_hook(lambda module, before, after: None)
    model.head.bias.grad = torch.ones(10)
    return model


X = torch.zeros(2, 3, 8, 8)


def photograph(model: nn.Module) -> Any:
    """Everything about a model, torch and Python that bad input might leave changed."""
    modules = [(path, id(module), type(module), contents_of(vars(module))) for path, module in model.named_modules()]
    tensors = [
        (name, id(t), t.data_ptr(), t.device, t.dtype, t.requires_grad, t.grad, t.tolist())
        for name, t in model.state_dict(keep_vars=True).items()
    ]
    owners = (
        builtins, math, random, torch, F, torch.compiler, torch.autograd.Function, torch.autocast, torch.overrides,
        Tensor, nn.Module, *{type(module) for module in model.modules()},
    )  # fmt: skip
    patched = [{name: id(v) for name, v in vars(owner).items() if not inspect.ismodule(v)} for owner in owners]
    hooks = {name: dict(value) for name, value in vars(nn.modules.module).items() if name.endswith("_hooks")}
    modes = torch.is_grad_enabled(), torch._C._len_torch_function_stack(), torch.get_default_dtype()
    return modules, tensors, patched, hooks, modes


def contents_of(value: Any) -> Any:
    """What a module's attribute is and holds: flags, hooks, submodules, the user's own lists and dicts."""
    if isinstance(value, dict):
        return type(value), [(name, contents_of(item)) for name, item in value.items()]
    if isinstance(value, (list, set)):
        return type(value), list(map(contents_of, value))
    return value if isinstance(value, (bool, int, str, type(None))) else id(value)


@pytest.fixture
def model() -> Iterator[Net]:
    """The user's model, which must be afterwards as it was before."""
    found = made()
    before = photograph(found)
    yield found
    assert photograph(found) == before


def traced(model: nn.Module) -> Graph:
    """The model's graph, which leaves out its hook on the backward pass and what it notes of each call."""
    notes = pytest.warns(gn.TraceWarning, match="'notes' of Net changes in every call")
    with notes, pytest.warns(gn.TraceWarning, match=r"backward pass of 'blocks\.1' are no part of the graph"):
        return gn.trace(model, X)


def space_of(model: nn.Module) -> Graph:
    """A space with two choices."""
    rule = gn.Swap("blocks.*.act", {"gelu": nn.GELU, "silu": nn.SiLU}, label="{node}")
    return gn.mutate(traced(model), rule)


def parts(error: pytest.ExceptionInfo[GraphNASError], *needed: str) -> None:
    """Checks that a message has everything that it needs."""
    message = str(error.value)
    for part in needed:
        assert part in message, message


# ---------------------------------------------------------------- tracing
def test_a_model_that_raises() -> None:
    failing = made(fails=True)
    before = photograph(failing)
    with pytest.raises(TraceError) as error:
        gn.trace(failing, X)
    assert photograph(failing) == before
    place = f"{HERE}:{line_of('raise')}"
    parts(error, "Net raised RuntimeError: the sensor is offline", place, "float32[2, 3, 8, 8]", "by calling the model")
    assert isinstance(error.value.__cause__, RuntimeError)


STEM = ("'stem' (Conv2d) raised", "check their shapes and dtypes by calling the model")
SIGNATURE = ("Net.forward(x: 'Tensor')", "Give one value a parameter", "LINE: signature")


@pytest.mark.parametrize(
    ("examples", "needed"),
    [
        ((torch.zeros(2, 5, 8, 8),), (*STEM, "3 channels, but got 5", "x: float32[2, 5, 8, 8]")),
        ((torch.zeros(2, 3, 8, 8, dtype=torch.long),), (*STEM, "x: int64[2, 3, 8, 8]")),
        (("a picture",), (STEM[0], "got (str, ", "give tensors, such as torch.zeros")),
        ((), (*SIGNATURE, "missing a required argument: 'x'")),
        ((X, X), (*SIGNATURE, "too many positional arguments")),
    ],
)
def test_wrong_example_inputs(model: Net, examples: tuple[Any, ...], needed: tuple[str, ...]) -> None:
    with pytest.raises(TraceError) as error:
        gn.trace(model, *examples)
    lines = [part.removeprefix("LINE: ") for part in needed if part.startswith("LINE: ")]
    parts(error, *(part for part in needed if not part.startswith("LINE: ")))
    parts(error, *(f"{HERE}:{line_of(mark)}" for mark in lines))
    if STEM[0] in needed:
        parts(error, f"{HERE}:{line_of('stem')}")


def test_a_layer_that_waits_for_its_first_input() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(TraceError) as error:
        gn.trace(model, X)
    parts(error, "'0.weight' of Sequential has no shape", "Call it once")
    model(X)
    gn.trace(model, X)


def test_no_module_at_all() -> None:
    with pytest.raises(TraceError, match="function cannot be traced"):
        gn.trace(lambda x: x, X)


# ---------------------------------------------------------------- rules
SHARED = nn.BatchNorm2d(4)
LAYER = gn.op(nn.Module)


class Long(nn.Module):
    """Gives another dtype than it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x.long()


def careless(site: Any) -> bool:
    """A predicate that takes every site for a convolution."""
    return bool(site.config["kernel_size"] == 3)


# A rule, and what its message holds besides the rule itself: what, where ("LINE: ..." in this file), what to do.
BAD_RULES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "a glob that matches nothing": (
        lambda: gn.Swap("blocks.*.atc", {"gelu": nn.GELU}),
        ("matches nothing", "names like 'blocks.*.atc'", "Did you mean 'blocks.1.act'"),
    ),
    "a class that matches nothing": (
        lambda: gn.Skip(nn.ReLU6),
        ("matches nothing", "class torch.nn.ReLU6", "Did you mean 'torch.nn.ReLU'"),
    ),
    "a predicate that raises": (
        lambda: gn.Skip(careless),
        ("the predicate careless", "raises KeyError at call add", "LINE: forward", "let it look at site.kind"),
    ),
    "a predicate that gives no answer": (
        lambda: gn.Skip(lambda site: None),
        ("gives None at call add", "LINE: forward", "must answer True or False"),
    ),
    "an alternative of another shape": (
        lambda: gn.Swap("stem", {"half": lambda site: nn.Conv2d(3, 4, 3, stride=2, padding=1)}),
        ("'half' gives (2, 4, 4, 4) at layer stem", "LINE: stem", "gives (2, 4, 8, 8)", "build it from site."),
    ),
    "an alternative of another dtype": (
        lambda: gn.Swap("blocks.0.act", {"whole": Long}),
        ("'whole' gives (2, 4, 8, 8) int64", "layer blocks.0.act", "LINE: block", "build it from site.input_shape"),
    ),
    "an alternative that cannot run": (
        lambda: gn.Swap("stem", {"five": lambda site: nn.Conv2d(5, 4, 3, padding=1)}),
        ("stem_five", "LINE: stem", "Invalid channel", "Change what feeds it"),
    ),
    "an alternative that cannot be built": (
        lambda: gn.Swap("stem", {"bare": nn.Conv2d}),
        ("'bare' cannot be built", "layer stem", "LINE: stem", "lambda site: Conv2d(...)"),
    ),
    "an alternative that is no module": (
        lambda: gn.Swap("blocks.1.act", {"function": lambda site: F.gelu}),
        ("'function' gives <built-in function gelu>", "layer blocks.1.act", "LINE: block", "must give an nn.Module"),
    ),
    "an alternative with the wrong number of inputs": (
        lambda: gn.Swap("blocks.1.act", {"two": nn.Bilinear(4, 4, 4)}),
        ("'two' cannot stand at layer blocks.1.act", "LINE: block", "missing a required argument"),
    ),
    "an argument that there is not": (
        lambda: gn.Value("blocks.*.conv", "kernel_sizes", (5,)),
        ("torch.nn.Conv2d has no argument 'kernel_sizes'", "LINE: block", "Did you mean 'kernel_size'"),
    ),
    "channels that do not fit": (
        lambda: gn.Value("stem", "out_channels", (8,)),
        ("stem.out_channels=8 at node stem", "LINE: stem", "blocks.0.conv", "LINE: block", "or leave the option out"),
    ),
    "a coupled argument that does not follow": (
        lambda: gn.Value("blocks.*.conv", "kernel_size", (5,), also={"padding": lambda size: size}),
        ("also['padding'] gives 3", "padding=1", "LINE: block", "change the function"),
    ),
    "a shortcut between unequal shapes": (
        lambda: gn.Skip("stem"),
        ("layer stem", "LINE: stem", "it takes (2, 3, 8, 8) and gives (2, 4, 8, 8)"),
    ),
    "a combination that selects nothing": (
        lambda: gn.Skip(gn.where("stem") & gn.kind(nn.Conv2d, kernel_size=7)),
        ("names like 'stem' and layers and modules of class torch.nn.Conv2d with kernel_size=7", "have kernel_size 3"),
    ),
    "a region that does not end": (
        lambda: gn.Skip(gn.region("head", "stem")),
        ("region('head', 'stem') begins at block head", "nothing ends it behind that", "name an end"),
    ),
    "a region that is read from within": (
        lambda: gn.Skip(gn.region("stem", "blocks.0.conv")),
        ("region stem_to_blocks_0_conv", "LINE: stem", "it would cut the call of blocks"),
    ),
    "a pattern that matches overlapping sites": (
        lambda: gn.Pattern(lambda x: LAYER(LAYER(x)), {"none": nn.Identity}),
        ("sites: pattern blocks.0.stem_to_", "and pattern blocks.0.conv_to_norm", "LINE: block", "by where"),
    ),
    "a pattern of what there is not": (
        lambda: gn.Pattern(lambda x: gn.op(nn.ReLU6)(LAYER(x)), {"none": nn.Identity}),
        ("matches nothing", "looked for ReLU6(Module(x))", "There is no ReLU6", "Did you mean 'torch.nn.ReLU'"),
    ),
    "a template that has been used": (
        lambda: gn.Swap("blocks.0", {"norm": SHARED, "long": Long}),
        ("'long' gives (2, 4, 8, 8) int64", "block blocks.0", "LINE: block"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_RULES)
def test_a_rule_that_cannot_be_applied(model: Net, case: str) -> None:
    make, needed = BAD_RULES[case]
    graph, rule = traced(model), make()
    stored, template = to_json(graph), photograph(SHARED)
    with pytest.raises(GraphError) as error:
        gn.mutate(graph, rule)
    marked = [part.removeprefix("LINE: ") if part.startswith("LINE: ") else None for part in needed]
    parts(error, *(f"{HERE}:{line_of(m)}" if m else part for m, part in zip(marked, needed, strict=True)))
    parts(error, f"in the rule {type(rule).__name__}(")
    assert to_json(graph) == stored
    assert photograph(SHARED) == template


@pytest.mark.parametrize(
    ("second", "needed"),
    [
        (
            gn.Swap("blocks.*.act", {"tanh": nn.Tanh}, label="{node}"),
            ("'blocks.0.act' is shared", "node blocks.0.act_choice", "('original', 'tanh')", "another label"),
        ),
        (
            gn.Swap("blocks.*.act", {"gelu": nn.GELU, "silu": nn.SiLU}, label="{node}"),
            ("'blocks.0.act' decides at layer blocks.0.act", "already", "another label"),
        ),
    ],
)
def test_labels_that_collide(model: Net, second: Any, needed: tuple[str, ...]) -> None:
    with pytest.raises(GraphError) as error:
        gn.mutate(space_of(model), second)
    parts(error, *needed, f"{HERE}:{line_of('block')}", "in the rule Swap(")


# ---------------------------------------------------------------- architectures and constraints
OPTIONS = ("options are ('original', 'gelu', 'silu')", "at node blocks.0.act_choice", f"{HERE}:{line_of('block')}")


@pytest.mark.parametrize(
    ("arch", "needed"),
    [
        ({"blocks.0.atc": "gelu"}, ("space Net has no label 'blocks.0.atc'", "Did you mean 'blocks.0.act'")),
        ({"blocks.0.act": "gelu6"}, ("no option 'gelu6'", *OPTIONS, "Did you mean 'gelu'")),
        ({"blocks.0.act": 1}, ("no option 1", *OPTIONS)),
    ],
)
def test_an_unknown_label_or_option(model: Net, arch: dict[str, Any], needed: tuple[str, ...]) -> None:
    space = space_of(model)
    with pytest.raises(ArchError) as error:
        gn.specialize(space, arch)
    parts(error, *needed)


def impossible(space: Graph) -> Graph:
    """The space under constraints that exclude each other."""
    choice = space.choices["blocks.0.act"]
    return replace(space, constraints=(choice.equals("gelu"), choice.equals("silu")))


UNSATISFIABLE = (
    "no architecture of space Net satisfies its constraints",
    "<blocks.0.act> == 'gelu', <blocks.0.act> == 'silu'",
    "at node blocks.0.act_choice (",
    f"{HERE}:{line_of('block')}). Loosen one of them",
)


def test_an_unsatisfiable_constraint(model: Net) -> None:
    space = impossible(space_of(model))
    with pytest.raises(ConstraintError) as error:
        gn.sample(space, seed=0)
    parts(error, *UNSATISFIABLE)


def evaluate(trial: Any) -> float:
    """What the tests' trials measure: how often they have been called, by the files that they leave."""
    counter = Path(os.environ["GRAPHNAS_TEST_COUNTER"])
    (counter / f"{os.getpid()}-{len(list(counter.iterdir()))}").touch()
    return float(len(trial.arch))


@pytest.fixture
def counter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one file a trial that has run."""
    folder = tmp_path / "trials"
    folder.mkdir()
    monkeypatch.setenv("GRAPHNAS_TEST_COUNTER", str(folder))
    return folder


def test_an_unsatisfiable_constraint_is_found_before_any_trial(model: Net, counter: Path, tmp_path: Path) -> None:
    space = impossible(space_of(model))
    with pytest.raises(ConstraintError) as error:
        gn.search(space, evaluate, trials=2, workers=1, directory=tmp_path / "study")
    parts(error, *UNSATISFIABLE)
    assert list(counter.iterdir()) == []
    assert not (tmp_path / "study").exists()


# ---------------------------------------------------------------- files
def contents(folder: Path) -> dict[str, str]:
    """A folder's files and what is in them, SQLite's logs apart."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(("-wal", "-shm")))
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_store_of_another_space(model: Net, counter: Path, tmp_path: Path) -> None:
    folder, weights = tmp_path / "study", model.state_dict()
    space = space_of(model)
    other = gn.mutate(traced(model), gn.Value("blocks.*.conv", "bias", (False,), label="bias"))
    study = gn.search(space, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    kept, before = [(trial.arch, trial.metrics) for trial in study.trials], contents(folder)
    with pytest.raises(TrialError) as error:
        gn.search(other, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    parts(error, "holds a study with another space", str(folder), "Give another directory, or the same space")
    assert contents(folder) == before
    again = gn.search(space, evaluate, trials=1, workers=1, directory=folder, weights=weights)
    assert [(trial.arch, trial.metrics) for trial in again.trials] == kept
    assert len(list(counter.iterdir())) == 1


def test_a_truncated_graph(model: Net) -> None:
    text = to_json(traced(model))
    with pytest.raises(GraphError) as error:
        from_json(text[: len(text) // 2])
    parts(error, "not JSON", "at line", f"of {len(text) // 2} characters", "Is the file complete?")


def test_a_hostile_graph(model: Net, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    data = json.loads(to_json(traced(model)))
    node = next(row for row in data["nodes"] if "call" in row["op"])
    node["op"] = {"call": "os.system"}
    node["args"] = [f"touch {sentinel}"]
    with pytest.raises(GraphError) as error:
        from_json(json.dumps(data))
    parts(error, "'os.system' is called", node["name"], HERE, "allow")
    assert not sentinel.exists()


FULL = """
import resource, signal, sys
import torch
from graphnas.errors import GraphNASError
import graphnas as gn
from tests.test_bad_input import made, traced

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
model = made()
child = traced(model)
gn.export(child, sys.argv[1], weights=model.state_dict())
with torch.no_grad():
    model.head.weight.add_(1)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    gn.export(child, sys.argv[1], weights=model.state_dict())
except GraphNASError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("limit", [500, 3000])
def test_a_full_disk_while_exporting(limit: int, tmp_path: Path) -> None:
    """No file may grow beyond a limit, which fails as a full disk does, at the source or at the weights."""
    path, environment = tmp_path / "out" / "child.py", {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    path.parent.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(limit)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("EmitError"), done.stdout
    assert f"cannot write {path}" in done.stdout
    assert f"files that were there are as before\n  at {path.parent}. Make room there" in done.stdout
    assert sorted(os.listdir(path.parent)) == ["child.py", "child.safetensors"]
    check = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    assert subprocess.run([sys.executable, "-c", check], capture_output=True).returncode == 0


def test_a_file_that_cannot_be_exported_to(model: Net, tmp_path: Path) -> None:
    with pytest.raises(EmitError) as error:
        gn.export(traced(model), tmp_path / "missing" / "folder" / "child.py", weights=model.state_dict())
    folder = tmp_path / "missing" / "folder"
    parts(error, f"cannot write {folder / 'child.py'}: there is no folder {folder}", "Make it first")


@pytest.mark.parametrize("name", ["child.safetensors", "child", "taken.py", "beside.py"])
def test_a_path_that_no_pair_of_files_can_have(model: Net, tmp_path: Path, name: str) -> None:
    for folder in ("taken.py", "beside.safetensors"):
        (tmp_path / folder).mkdir()
    with pytest.raises(EmitError, match=r"is no name of a Python file|is a folder"):
        gn.export(traced(model), tmp_path / name, weights=model.state_dict())
    assert sorted(os.listdir(tmp_path)) == ["beside.safetensors", "taken.py"]


def test_a_file_that_cannot_be_replaced_once_its_weights_are(
    model: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.replace

    def replace_weights_alone(source: Path, target: Path) -> None:
        if target.suffix == ".py":
            raise PermissionError(1, "Operation not permitted")
        whole(source, target)

    monkeypatch.setattr(os, "replace", replace_weights_alone)
    with pytest.raises(EmitError) as error:
        gn.export(traced(model), tmp_path / "child.py", weights=model.state_dict())
    parts(error, "not permitted; child.safetensors is new, and child.py as before", f"at {tmp_path}")
    assert os.listdir(tmp_path) == ["child.safetensors"]


# ---------------------------------------------------------------- supernets
def test_a_supernet_without_a_largest_layer() -> None:
    model = made()
    model.stem = nn.Conv2d(3, 4, 3, padding="same")
    space = gn.mutate(traced(model), gn.Value("stem", "kernel_size", ((1, 5), (5, 1))))
    with pytest.raises(EmitError) as error:
        gn.build(space, weights=model.state_dict())
    parts(error, "no options of 'stem.kernel_size' give", "weight (4, 3, 5, 5)", "at node stem", "Add an option")
    parts(error, f"{HERE}:{line_of('stem')}")


@pytest.mark.parametrize(
    ("plan", "needed"),
    [
        ({"blocks.0.act": "gelo", "size": 3}, ("picks 'gelo'", "('original', 'gelu', 'silu')", "Did you mean 'gelu'")),
        ({"blocks.0.act": "gelu", "size": 4}, ("picks 4 for 'size'", "the options are (3, 5)")),
        ({"blocks.0.act": "gelu"}, ("says nothing for 'size'", "the options are (3, 5)")),
    ],
)
def test_a_plan_that_the_supernet_does_not_have(model: Net, plan: dict[str, Any], needed: tuple[str, ...]) -> None:
    rule = gn.Value("stem", "kernel_size", (5,), label="size", also={"padding": lambda size: size // 2})
    space = gn.mutate(space_of(model), rule)
    net = gn.build(space, weights=model.state_dict())
    with pytest.raises(ArchError) as error:
        net(X, plan={"blocks.1.act": "original", **plan})
    parts(error, *needed)


@pytest.mark.parametrize("use", [gn.build, lambda graph, weights: gn.export(graph, "never.py", weights=weights)])
def test_the_weights_of_a_wrapped_model(model: Net, use: Any) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in model.state_dict().items()}
    with pytest.raises(EmitError) as error:
        use(traced(model), weights=wrapped)
    parts(error, "the weights have 'module.steps', but not 'steps'", "inside 'module'", "take 'module.' off")
    assert not Path("never.py").exists()


@pytest.mark.parametrize("use", [gn.build, lambda graph, weights: gn.export(graph, "never.py", weights=weights)])
def test_a_model_in_place_of_its_weights(model: Net, use: Any) -> None:
    with pytest.raises(TypeError, match=r"weights are a state_dict, such as model\.state_dict\(\), not a Net"):
        use(traced(model), weights=model)
    assert not Path("never.py").exists()


def test_a_class_in_place_of_a_model() -> None:
    with pytest.raises(TraceError, match=r"Net is a class, .* give one, Net\(\.\.\.\)"):
        gn.trace(Net, X)  # type: ignore[arg-type]


def test_an_option_of_another_type_is_offered_as_it_is_written(model: Net) -> None:
    space = gn.mutate(
        traced(model), gn.Value("stem", "kernel_size", (5,), label="size", also={"padding": lambda k: k // 2})
    )
    with pytest.raises(ArchError, match=r"label 'size' has no option '5'; (?s:.)* Did you mean 5\?"):
        gn.specialize(space, {"size": "5"})


BAD: dict[str, Callable[[Graph], object]] = {
    "no label": lambda space: gn.specialize(space, {"none": 1}),
    "no site": lambda space: gn.mutate(space, gn.Skip("none.*")),
    "no weights": lambda space: gn.build(gn.specialize(space, {}), weights={"stem.weight": torch.zeros(1)}),
}


@pytest.mark.parametrize("case", BAD)
def test_a_space_is_the_same_after_an_error(model: Net, case: str) -> None:
    space = space_of(model)
    before = to_json(space)
    with pytest.raises(GraphNASError):
        BAD[case](space)
    assert to_json(space) == before
