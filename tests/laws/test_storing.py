"""Law 8: a stored graph comes back equal, and the same graph always gives the same text and the same JSON."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from graphnas.ir.graph import Graph
from graphnas.ir.printing import text
from graphnas.ir.sampling import sample
from graphnas.ir.specialize import specialize
from graphnas.ir.storing import digest, from_json, to_json
from graphnas.ir.verify import verify
from tests.laws.spaces import some_arch, spaces

seeds = st.integers(0, 2**32 - 1)


@given(space=spaces(), seed=seeds)
def test_json_gives_back_the_graph(space: Graph, seed: int) -> None:
    stored = to_json(space)
    loaded = from_json(stored)
    assert loaded == space
    assert [node.source for node in loaded.nodes] == [node.source for node in space.nodes]
    assert [list(node.kwargs) for node in loaded.nodes] == [list(node.kwargs) for node in space.nodes]
    assert to_json(loaded) == stored
    verify(loaded)


@given(space=spaces(), seed=seeds)
def test_a_stored_graph_has_the_same_children(space: Graph, seed: int) -> None:
    loaded = from_json(to_json(space))
    assert loaded.choices == space.choices
    assert sample(loaded, seed) == sample(space, seed)
    arch = some_arch(space, seed)
    assert to_json(specialize(loaded, arch)) == to_json(specialize(space, arch))


@given(space=spaces(), seed=seeds)
def test_equal_graphs_have_equal_texts_and_digests(space: Graph, seed: int) -> None:
    loaded = from_json(to_json(space))
    assert text(loaded) == text(space) == str(space)
    assert digest(loaded) == digest(space)


@given(space=spaces(), seed=seeds)
def test_text_and_digest_tell_graphs_apart(space: Graph, seed: int) -> None:
    child = specialize(space, sample(space, seed))
    assert (child == space) == (digest(child) == digest(space))
    assert (child == space) == (text(child) == text(space))


@given(space=spaces(), seed=seeds)
def test_text_and_digest_show_every_part(space: Graph, seed: int) -> None:
    for part in parts(space):
        assert part == space or text(part) != text(space)
        assert part == space or digest(part) != digest(space)


def parts(space: Graph) -> Iterator[Graph]:
    """The space without its constraints, without the order of a node, and without its condition."""
    yield replace(space, constraints=())
    for position, node in enumerate(space.nodes):
        for less in (replace(node, after=()), replace(node, when=None)):
            yield replace(space, nodes=(*space.nodes[:position], less, *space.nodes[position + 1 :]))


PROGRAM = """
import sys
from hypothesis import HealthCheck, Phase, given, settings
from graphnas.ir.printing import text
from graphnas.ir.storing import to_json
from tests.laws.spaces import spaces

@settings(max_examples=20, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
          suppress_health_check=list(HealthCheck))
@given(spaces())
def show(space):
    print(text(space), to_json(space))

show()
"""


def test_text_and_json_are_the_same_in_every_process() -> None:
    outputs = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert "choose" in outputs.pop()
