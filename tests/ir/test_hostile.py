"""A file from somebody else never runs anything: every attempt is a `GraphError`, and the sentinel is not touched."""

from __future__ import annotations

import base64
import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from graphnas.codegen.emit import emit
from graphnas.errors import EmitError, GraphError
from graphnas.ir.graph import Graph
from graphnas.ir.printing import text
from graphnas.ir.specialize import default, specialize
from graphnas.ir.storing import from_json, load, to_json
from tests.ir.graphs import space

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def sentinel(tmp_path: Path) -> Path:
    """A file that exists once anything has run."""
    return tmp_path / "sentinel"


def code(sentinel: Path) -> str:
    """An expression that makes the sentinel."""
    return f"__import__('pathlib').Path({str(sentinel)!r}).touch()"


def node(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A node of a document."""
    return next(row for row in data["nodes"] if row["name"] == name)


def entry(data: dict[str, Any], path: str) -> dict[str, Any]:
    """A row of a document's module table."""
    return next(row for row in data["modules"] if row["path"] == path)


def call(target: str, *args: Any) -> Change:
    """Has a node call `target`."""
    return lambda data: node(data, "mean").update(op={"call": target}, args=list(args), kwargs={})


def layer(kind: str, **config: Any) -> Change:
    """Has a layer be of another type, alike at the node and in the module table."""

    def change(data: dict[str, Any]) -> None:
        node(data, "block.act")["op"].update(type=kind, config=config)
        entry(data, "block.act").update(type=kind, config=config)

    return change


def bomb() -> str:
    """A few kilobytes that unpack to 64 MiB."""
    packer = zlib.compressobj(9)
    parts = [packer.compress(bytes(2**20)) for _ in range(64)]
    return base64.b85encode(b"".join(parts) + packer.flush()).decode()


def constant(value: Any) -> Change:
    """Gives a buffer a value."""
    config = {"shape": [2], "dtype": {"constant": "torch.float32"}, "value": value}
    return lambda data: entry(data, "head.steps").update(config=config)


def deep(levels: int) -> Any:
    """An expression nested in as many levels."""
    found: Any = 1
    for _ in range(levels):
        found = {"apply": "neg", "args": [found]}
    return found


OPAQUE = {"reason": "numpy", "source": None, "missing": "", "seen": []}
HOSTILE: dict[str, Callable[[str], Change]] = {
    "os.system": lambda run: call("os.system", f"python -c {run!r}"),
    "posix.system": lambda run: call("posix.system", f"python -c {run!r}"),
    "subprocess.run": lambda run: call("subprocess.run", {"list": ["python", "-c", run]}),
    "builtins.eval": lambda run: call("builtins.eval", run),
    "builtins.exec": lambda run: call("builtins.exec", run),
    "eval": lambda run: call("eval", run),
    "import": lambda run: call("importlib.import_module", "antigravity"),
    "torch.load": lambda run: call("torch.load", "evil.pt"),
    "torch.hub.load": lambda run: call("torch.hub.load", "evil/evil", "evil"),
    "torch.ops.load_library": lambda run: call("torch.ops.load_library", "evil.so"),
    "torch.utils.cpp_extension.load_inline": lambda run: call("torch.utils.cpp_extension.load_inline", "evil", run),
    "operator.methodcaller": lambda run: call("operator.methodcaller", "__class__"),
    "operator.attrgetter": lambda run: call("operator.attrgetter", "__class__.__mro__"),
    "magic path of a method": lambda run: call("torch.Tensor.__class__.__base__.__subclasses__"),
    "apply_": lambda run: call("torch.Tensor.apply_", {"ref": "x"}, run),
    "register_hook": lambda run: call("torch.Tensor.register_hook", {"ref": "x"}, run),
    "code as target": lambda run: call(run),
    "code behind a target": lambda run: call(f"torch.relu(x) or {run}"),
    "lines behind a target": lambda run: call(f"torch.relu\n{run}"),
    "code as a layer": lambda run: layer(run),
    "foreign layer": lambda run: layer("subprocess.Popen", args=["python", "-c", run]),
    "layer from a pickle": lambda run: layer("torch.jit.load", f="evil.pt"),
    "data parallel": lambda run: layer("torch.nn.DataParallel", module=run),
    "argument name": lambda run: layer("torch.nn.ReLU", **{f"inplace={run}) #": True}),
    "keyword of a call": lambda run: lambda data: node(data, "mean").update(kwargs={f"dim={run}, x": 1}),
    "name of a node": lambda run: lambda data: node(data, "to").update(name=run),
    "lines in a name": lambda run: lambda data: node(data, "to").update(name=f"to\n{run}"),
    "magic name": lambda run: lambda data: node(data, "to").update(name="to.__init__.__globals__"),
    "path of a parameter": lambda run: lambda data: entry(data, "head.weight").update(path=f"head.{run}"),
    "magic path": lambda run: lambda data: entry(data, "head.tied").update(path="head.__class__"),
    "class of the model": lambda run: lambda data: data.update(name=f"Net: {run} #"),
    "class of a module": lambda run: lambda data: entry(data, "block").update(type=f"Block(x={run})"),
    "base of a module": lambda run: lambda data: entry(data, "block").update(config={"base": run}),
    "class of a frame": lambda run: lambda data: node(data, "mean").update(scope=[["head", f"A\n{run}", 0]]),
    "path of a frame": lambda run: lambda data: node(data, "mean").update(scope=[[run, "A", 0]]),
    "formal name": lambda run: lambda data: data["formals"][0][2][0].__setitem__(1, f"x={run}"),
    "formal call": lambda run: lambda data: data["formals"][0].__setitem__(0, run),
    "parameter": lambda run: lambda data: data["signature"][0].update(name=f"x={run}"),
    "default of a parameter": lambda run: lambda data: data["signature"][1].update(value={"eval": run}),
    "kind of a parameter": lambda run: lambda data: data["signature"][0].update(kind=run),
    "name of an input": lambda run: lambda data: data["inputs"][0].update(name=run),
    "path of an input": lambda run: lambda data: data["inputs"][0].update(path=[f"x if {run} else x"]),
    "dtype of an input": lambda run: lambda data: data["inputs"][0].update(dtype=run),
    "label": lambda run: (
        lambda data: data.update(
            choices=[{"label": f"a\n{run}", "options": [1], "take": 1}], output={"choice": f"a\n{run}"}
        )
    ),
    "option": lambda run: lambda data: data["choices"][0].update(options=[{"apply": "+", "args": [run, "x"]}]),
    "device": lambda run: lambda data: node(data, "to")["args"].append({"device": f"cpu'); {run} #"}),
    "constant": lambda run: lambda data: node(data, "to")["args"].append({"constant": "torch.hub"}),
    "code as a constant": lambda run: lambda data: node(data, "to")["args"].append({"constant": run}),
    "function of an expression": lambda run: (
        lambda data: node(data, "to")["args"].append({"apply": "eval", "args": [run]})
    ),
    "source": lambda run: lambda data: node(data, "to").update(source=[f"a.py\n{run}", 1]),
    "guard": lambda run: lambda data: node(data, "guard")["args"].__setitem__(1, f"a.py\n{run}"),
    "guard's test": lambda run: lambda data: node(data, "guard")["args"].__setitem__(0, run),
    "merge": lambda run: lambda data: node(data, "block.act_choice")["op"].update(merge=run),
    "reason of an opaque module": lambda run: (
        lambda data: entry(data, "head").update(opaque={**OPAQUE, "reason": f"\n{run}"})
    ),
    "source of an opaque module": lambda run: (
        lambda data: entry(data, "head").update(opaque={**OPAQUE, "source": [f"\n{run}", 1]})
    ),
    "class of an opaque module": lambda run: lambda data: entry(data, "head").update(type="os.system", opaque=OPAQUE),
    "call of an opaque module": lambda run: (
        lambda data: entry(data, "head").update(opaque={**OPAQUE, "seen": [{"tuple": [run]}]})
    ),
    "object of an opaque module": lambda run: (
        lambda data: entry(data, "block.act").update(
            opaque=OPAQUE, config={"inplace": {"built": "subprocess.Popen", "config": {"args": run}}}
        )
    ),
    "object in a namespace": lambda run: (
        lambda data: entry(data, "block.act").update(
            opaque=OPAQUE,
            config={
                "inplace": {
                    "built": "types.SimpleNamespace",
                    "config": {"x": {"list": [{"built": "os.system", "config": {"command": run}}]}},
                }
            },
        )
    ),
    "magic field of a namespace": lambda run: (
        lambda data: entry(data, "block.act").update(
            opaque=OPAQUE, config={"inplace": {"built": "types.SimpleNamespace", "config": {"__class__": run}}}
        )
    ),
    "function of types": lambda run: (
        lambda data: entry(data, "block.act").update(
            opaque=OPAQUE, config={"inplace": {"built": "types.FunctionType", "config": {"code": run}}}
        )
    ),
    "namespace in a layer of torch": lambda run: layer(
        "torch.nn.ReLU", inplace={"built": "types.SimpleNamespace", "config": {"x": run}}
    ),
    "bomb of base85": lambda run: constant({"base85": bomb()}),
    "huge fill": lambda run: (
        lambda data: entry(data, "head.steps").update(
            config={"shape": [2**40], "dtype": {"constant": "torch.float32"}, "value": {"dict": [["fill", 0]]}}
        )
    ),
    "code in base85": lambda run: constant({"dict": [["base85", run]]}),
    "packed bomb": lambda run: constant({"dict": [["base85", bomb()]]}),
    "power": lambda run: (
        lambda data: node(data, "to")["args"].append({"apply": "**", "args": [9, {"apply": "**", "args": [9, 64]}]})
    ),
    "long text": lambda run: lambda data: node(data, "to")["args"].append({"apply": "*", "args": ["x", 2**40]}),
    "many values": lambda run: lambda data: data["choices"][0].update(options=list(range(64)), take=32),
    "deep nesting": lambda run: lambda data: node(data, "to")["args"].append(deep(300)),
    "cycle": lambda run: lambda data: node(data, "linear").update(args=[{"ref": "scale"}]),
    "reference to itself": lambda run: lambda data: node(data, "linear").update(args=[{"ref": "linear"}]),
    "parent of itself": lambda run: lambda data: entry(data, "head").update(path="head.head"),
    "tie to itself": lambda run: lambda data: entry(data, "head.tied").update(same_as="head.tied"),
}


def written(change: Change) -> str:
    """The document of a space after a change."""
    data = json.loads(to_json(space()))
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_file_is_refused_and_runs_nothing(case: str, sentinel: Path) -> None:
    path = sentinel.with_name("graph.json")
    path.write_text(written(HOSTILE[case](code(sentinel))), encoding="utf-8")
    start = time.process_time()
    with pytest.raises(GraphError, match=r"\n  (at|in) ") as error:
        load(path)
    assert time.process_time() - start < 1
    assert len(str(error.value)) < 3000
    assert not sentinel.exists()


def test_there_are_enough_hostile_files() -> None:
    assert len(HOSTILE) >= 20


# ---------------------------------------------------------------- every string of a document
def strings(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all strings, object keys included (as `(..., key, None)`)."""
    if isinstance(data, str):
        yield path
    elif isinstance(data, list):
        for place, item in enumerate(data):
            yield from strings(item, (*path, place))
    elif isinstance(data, dict):
        for key, item in data.items():
            yield (*path, key, None)
            yield from strings(item, (*path, key))


def replaced(data: Any, path: tuple[Any, ...], text: str) -> Any:
    """The data with another string at a place."""
    if not path:
        return text
    step, rest = path[0], path[1:]
    if rest == (None,):
        return {text if key == step else key: item for key, item in data.items()}
    copy = list(data) if isinstance(data, list) else dict(data)
    copy[step] = replaced(data[step], rest, text)
    return copy


PAYLOADS = (
    "{run}",
    "x\n{run}\n",
    "'+{run}+'",
    '"""+{run}+"""',
    "__class__.__init__.__globals__",
    "os.system",
    "torch.load",
    "\\'+{run}#",
)
# Where any text is data: keys of the output, options, a constraint's literals, a guard's place; and sources.
FREE = ("output", "choices", "constraints")


def _run(child: Graph) -> None:
    """Writes the child's source, and builds it where it can be written."""
    try:
        source = emit(child)
    except EmitError:
        return
    names: dict[str, Any] = {"__name__": "child"}
    exec(compile(source, "child.py", "exec"), names)
    names["build"]()


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_string_of_a_document_is_ever_run(payload: str, sentinel: Path) -> None:
    data = json.loads(to_json(space()))
    payload = payload.format(run=code(sentinel))
    accepted = []
    for path in strings(data):
        try:
            graph = from_json(json.dumps(replaced(data, path, payload)))
        except GraphError:
            continue
        accepted.append(path)
        text(graph)
        _run(specialize(graph, default(graph)))
        assert not sentinel.exists()
    assert accepted
    for path in accepted:
        assert path[0] in FREE or path[:2] == ("nodes", 0) or "source" in path, f"{payload!r} is accepted at {path}"
