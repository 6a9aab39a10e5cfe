"""Law 6 for the edit that all mutations are made of: what is put into a graph can be taken out without a trace."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from graphnas.ir.choice import Choice
from graphnas.ir.editing import insert
from graphnas.ir.frozen import FrozenDict
from graphnas.ir.graph import Graph
from graphnas.ir.node import Call, Choose, Entry, Layer, Node, Param, Ref
from graphnas.ir.specialize import canonical, default, specialize
from graphnas.ir.verify import verify
from tests.laws.spaces import some_arch, spaces
from tests.laws.survival import EFFECTS, is_choice, surviving_entries, survivors

seeds = st.integers(0, 2**32 - 1)
LABEL = "inserted"


def mutated(space: Graph, seed: int) -> Graph:
    """The space with an alternative to one of its values: a layer, or a function of the value itself."""
    rng = random.Random(seed)
    site = rng.choice([node for node in space.nodes if _has_value(node)])
    around = site.scope[-1].path if site.scope else ""
    path = f"{around}.inserted" if around else "inserted"
    config = FrozenDict({"inplace": False})
    if rng.random() < 0.5:
        other = Node(path, Layer(path, "torch.nn.SiLU", config), (Ref(site.name),), scope=site.scope, when=site.when)
        entries = {_entry_of(site, space): (Entry(path, "layer", "torch.nn.SiLU", config),)}
    else:
        other = Node(path, Call("torch.neg"), (Ref(site.name),), scope=site.scope, when=site.when)
        entries = {}
    choice = Choice(LABEL, ("original", "other"))
    joined = Node(f"{path}_choice", Choose(choice), (Ref(site.name), Ref(path)), scope=site.scope, when=site.when)
    return insert(space, {site.name: ((other, joined), Ref(joined.name))}, entries=entries)


def free(space: Graph) -> Graph:
    """The space without its constraints, which its default need not satisfy."""
    return replace(space, constraints=())


def _has_value(node: Node) -> bool:
    """Whether a node returns one tensor that something reads."""
    return not (
        isinstance(node.op, Param) or (isinstance(node.op, Call) and node.op.target in (*EFFECTS, "torch.chunk"))
    )


def _entry_of(site: Node, space: Graph) -> str:
    return site.op.path if isinstance(site.op, Layer) else (site.scope[-1].path if site.scope else "")


@given(space=spaces(), seed=seeds)
def test_option_0_of_an_insertion_is_the_original(space: Graph, seed: int) -> None:
    wider = mutated(space, seed)
    verify(wider)
    assert specialize(wider, {LABEL: "original"}) == space


@given(space=spaces(), seed=seeds)
def test_default_of_a_wider_space_is_the_default_of_the_space(space: Graph, seed: int) -> None:
    wider = mutated(space, seed)
    assert default(wider) == {**default(space), **{LABEL: "original"}} or LABEL not in default(wider)
    first = {label: choice.default for label, choice in wider.choices.items()}
    assert specialize(free(wider), first) == specialize(free(space), default(space))


@given(space=spaces(), seed=seeds)
def test_no_guard_or_effect_of_a_live_scope_disappears(space: Graph, seed: int) -> None:
    wider = mutated(space, seed)
    arch = canonical(wider, some_arch(wider, seed))
    child = specialize(wider, arch)
    assert [node.name for node in child.nodes if not is_choice(wider.node(node.name))] == survivors(wider, arch)
    assert [entry.path for entry in child.modules] == surviving_entries(wider, child)


@given(space=spaces(), seed=seeds)
def test_an_insertion_takes_the_place_of_its_site(space: Graph, seed: int) -> None:
    wider = mutated(space, seed)
    joined = next(node for node in wider.nodes if LABEL in {choice.label for choice in node.choices})
    site = joined.args[0].name
    for node in space.nodes:
        expected = tuple(joined.name if name == site else name for name in node.after)
        assert wider.node(node.name).after == expected
        assert node.name == site or site not in {ref.name for ref in wider.node(node.name).refs}
    added = [place for place, entry in enumerate(wider.modules) if entry not in space.modules]
    assert tuple(entry for place, entry in enumerate(wider.modules) if place not in added) == space.modules
    above = _entry_of(space.node(site), space)
    below = f"{above}." if above else ""
    for place in added:
        before = wider.modules[place - 1].path
        assert before == above or before.startswith(below)
        assert not any(row.path.startswith(below) for row in wider.modules[place + 1 :])
