"""JSON keeps a graph exactly; files are replaced whole; what is not a graph is refused with its place."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphnas.errors import GraphError
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.node import List, Ref
from graphnas.ir.storing import digest, from_json, load, save, to_json
from tests.ir.graphs import nested, space, with_node, with_value


def through_json(value: Any) -> Any:
    """What comes back of a value among a node's arguments."""
    return from_json(to_json(with_value(value))).node("mean").args[1]


def test_a_space_comes_back_equal_with_its_sources() -> None:
    loaded = from_json(to_json(space()))
    assert loaded == space()
    assert [node.source for node in loaded.nodes] == [node.source for node in space().nodes]
    assert to_json(loaded) == to_json(space())


@pytest.mark.parametrize(
    "value",
    [
        True,
        1,
        1.0,
        0,
        -0.0,
        1e-320,
        1e300,
        0.1,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        float("inf"),
        float("-inf"),
        complex(0.0, -0.0),
        complex(math.inf, 1.0),
        "",
        "\0\n\t\\\"'é\U0001f600",
        None,
        Ellipsis,
        (),
        (1,),
        List(()),
        List(((), List((1, 1.0, True)))),
        FrozenDict({1: 2}),
        FrozenDict({"1": 2, None: 3, 0.5: 4}),
        FrozenDict(),
        nested(150),
    ],
)
def test_value_comes_back_exactly(value: Any) -> None:
    back = through_json(value)
    assert back == value
    assert type(back) is type(value)
    assert repr(back) == repr(value)


def test_nan_comes_back() -> None:
    assert math.isnan(through_json(math.nan))


def test_order_of_dicts_is_kept() -> None:
    value = FrozenDict({"b": 1, "a": 2})
    assert list(through_json(value)) == ["b", "a"]


def test_digest_ignores_sources_and_sees_everything_else() -> None:
    plain = replace(space(), nodes=tuple(replace(node, source=None) for node in space().nodes))
    assert digest(plain) == digest(space())
    assert to_json(plain) != to_json(space())
    changed = [
        with_value(1),
        with_value(1.0),
        with_value(True),
        with_value(List(())),
        with_value(()),
        with_node("mean", after=("guard",)),
        with_node("mean", when=space().node("block.fill").when),
        replace(space(), constraints=()),
        replace(space(), formals=FrozenDict()),
        replace(space(), signature=()),
        replace(space(), output=Ref("mean")),
        replace(space(), modules=space().modules[:-1]),
        replace(space(), name="Other"),
    ]
    assert len({digest(graph) for graph in changed} | {digest(space())}) == len(changed) + 1


def test_a_value_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(GraphError, match="a builtin_function_or_method cannot be stored"):
        to_json(with_value(len))


# ---------------------------------------------------------------- documents that are not graphs
def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The space's document after a change."""
    data = json.loads(to_json(space()))
    change(data)
    return json.dumps(data)


def node_of(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A node in a document."""
    return next(node for node in data["nodes"] if node["name"] == name)


def argument(value: Any) -> str:
    """The space's document with a value among a node's arguments."""
    return changed(lambda data: node_of(data, "mean")["args"].append(value))


DOCUMENTS: dict[str, tuple[Callable[[], str], str, str]] = {
    "empty": (lambda: "", "not JSON", "line 1, column 1"),
    "truncated": (lambda: to_json(space())[:-200], "not JSON", "column"),
    "list": (lambda: "[]", "not a graph", "the document"),
    "other object": (lambda: '{"a": 1}', "not a graph", '"format": 1'),
    "newer": (lambda: changed(lambda data: data.update(format=2)), "newer than 1", "Update graphnas"),
    "no format": (lambda: changed(lambda data: data.update(format=0)), "no format 0", "format"),
    "format as text": (lambda: changed(lambda data: data.update(format="1")), "not an integer", "format"),
    "format as boolean": (lambda: changed(lambda data: data.update(format=True)), "not an integer", "format"),
    "unknown part": (lambda: changed(lambda data: data.update(hooks=[])), "'hooks' is unknown", "the document"),
    "missing part": (lambda: changed(lambda data: data.pop("modules")), "'modules' is missing", "the document"),
    "repeated key": (
        lambda: to_json(space()).replace('"name": "mean"', '"name": "a", "name": "mean"'),
        "'name' stands twice",
        "nodes[7]",
    ),
    "repeated tag": (
        lambda: argument(1).replace('{"ref": "linear"}', '{"ref": "x", "ref": "linear"}'),
        "'ref' stands twice",
        "nodes[10].args[0]",
    ),
    "repeated setting": (
        lambda: to_json(space()).replace('"keepdim": false', '"keepdim": 1, "keepdim": 2'),
        "twice",
        "nodes[7].kwargs",
    ),
    "unknown tag": (lambda: argument({"eval": "1"}), "is not a value", "nodes[7].args[2]"),
    "two tags": (lambda: argument({"ref": "x", "eval": "1"}), "is not a value", "nodes[7].args[2]"),
    "no tag": (lambda: argument({}), "is not a value", "nodes[7].args[2]"),
    "ref to a number": (lambda: argument({"ref": 1}), "1 is not a string", "nodes[7].args[2]"),
    "item of a ref": (lambda: argument({"ref": "x", "item": [1.5]}), "neither an integer nor a string", ".item[0]"),
    "unknown choice": (lambda: argument({"choice": "widht"}), "Did you mean 'width'", "nodes[7].args[2]"),
    "unknown function": (lambda: argument({"apply": "eval", "args": []}), "cannot apply 'eval'", "nodes[7].args[2]"),
    "size of a number": (lambda: argument({"size": 3, "dim": 0}), "not a reference", ".size"),
    "float by another name": (lambda: argument({"float": "1e5"}), "is not a value", "nodes[7]"),
    "complex of texts": (lambda: argument({"complex": ["1", "2"]}), "is not a value", "nodes[7]"),
    "slice": (lambda: argument({"slice": [1, 2]}), "not a list of 3", ".slice"),
    "dict's key": (lambda: argument({"dict": [[[1], 2]]}), "not a key", ".dict"),
    "dict's repeated key": (lambda: argument({"dict": [[1, 2], [1, 3]]}), "there twice", ".dict"),
    "infinity": (lambda: argument(1).replace('"keepdim": false', '"keepdim": Infinity'), "not JSON", '"inf"'),
    "large float": (lambda: argument(1).replace('"keepdim": false', '"keepdim": 1e999'), "too large", "document"),
    "large integer": (lambda: argument(2**64), "65 bits", "node mean"),
    "huge integer": (
        lambda: argument(1).replace('"keepdim": false', '"keepdim": ' + "9" * 10_000),
        "too large",
        "64 bits",
    ),
    "deep lists": (lambda: "[" * 100_000 + "]" * 100_000, "nested too deeply", "document"),
    "deep values": (lambda: argument(json.loads("[" * 300 + "]" * 300)), "more than 200 levels", "node mean"),
    "no operation": (
        lambda: changed(lambda data: node_of(data, "mean").update(op={"exec": "1"})),
        "not an operation",
        "nodes[7].op",
    ),
    "two operations": (
        lambda: changed(lambda data: node_of(data, "mean")["op"].update(exec="1")),
        "'exec' is unknown",
        "nodes[7].op",
    ),
    "when": (
        lambda: changed(lambda data: node_of(data, "mean").update(when=True)),
        "not an expression",
        "nodes[7].when",
    ),
    "scope": (
        lambda: changed(lambda data: node_of(data, "mean").update(scope=["block"])),
        "not a list of 3",
        "scope[0]",
    ),
    "take": (lambda: changed(lambda data: data["choices"][0].update(take=5)), "1 <= take <= 2", "choices[0]"),
    "no options": (
        lambda: changed(lambda data: data["choices"][0].update(options=[])),
        "needs distinct options",
        "choices[0]",
    ),
    "options that cannot be hashed": (
        lambda: changed(
            lambda data: data["choices"][0].update(options=[{"list": [{"dict": []}]}, {"slice": [1, 2, 3]}])
        ),
        "is an option of",
        "block.conv",
    ),
    "label twice": (
        lambda: changed(lambda data: data["choices"].append({**data["choices"][0], "options": [1]})),
        "stands for two choices",
        "choices",
    ),
    "formals": (
        lambda: changed(lambda data: data.update(formals=[["block", 0, [["x", "x"]]]])),
        "not a reference",
        "formals[0]",
    ),
    "formals twice": (
        lambda: changed(lambda data: data["formals"].append(data["formals"][0])),
        "is there twice",
        "formals[1]",
    ),
    "flag": (
        lambda: changed(lambda data: data["signature"][0].update(required=1)),
        "neither true nor false",
        "signature[0].required",
    ),
    "cyclic": (
        lambda: changed(lambda data: node_of(data, "mean").update(args=[{"ref": "linear"}])),
        "'linear' is read",
        "node mean",
    ),
}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_document_is_refused(case: str) -> None:
    document, what, where = DOCUMENTS[case]
    with pytest.raises(GraphError) as error:
        from_json(document())
    assert what in str(error.value)
    assert where in str(error.value)


def test_no_truncation_is_ever_accepted() -> None:
    text = to_json(space()).rstrip()
    for end in range(0, len(text), 7):
        with pytest.raises(GraphError):
            from_json(text[:end])


# ---------------------------------------------------------------- files
def test_a_saved_graph_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    save(space(), path)
    assert load(path) == space()
    assert os.listdir(tmp_path) == ["space.json"]


def test_allow_reaches_the_check(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    text = to_json(space()).replace("torch.Tensor.mean", "torchvision.ops.mean")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(GraphError, match=r"allow=\('torchvision.ops',\)"):
        load(path)
    assert load(path, allow=("torchvision.ops",)).node("mean").name == "mean"


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "space.json"
    save(space(), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GraphError, match="No space left on device") as error:
        save(with_value(3), path)
    assert str(path) in str(error.value)
    assert os.listdir(tmp_path) == ["space.json"]
    assert load(path) == space()


def test_a_full_disk_is_an_error_with_its_place() -> None:
    with pytest.raises(GraphError, match="cannot be written"):
        save(space(), "/proc/space.json")


def test_a_file_that_is_not_a_graph_is_named(tmp_path: Path) -> None:
    path = tmp_path / "space.json"
    with pytest.raises(GraphError, match=r"space\.json"):
        load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(GraphError, match=r"space\.json"):
        load(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(GraphError, match=r"column 2(.|\n)*space.json"):
        load(path)


def test_reading_a_graph_imports_no_torch() -> None:
    program = (
        "import sys; from graphnas.ir.storing import from_json; from_json(sys.stdin.read());"
        " print('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=to_json(space()),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"
