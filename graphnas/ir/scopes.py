"""What the module calls around the nodes of every graph must satisfy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphnas.errors import nearest
from graphnas.ir.naming import is_dotted, is_path
from graphnas.ir.node import Frame
from graphnas.ir.values import refuse

if TYPE_CHECKING:
    from graphnas.ir.graph import Graph


def check_scopes(graph: Graph) -> None:
    """Checks that the nodes of a module call are one contiguous run, and that its module is in the table.

    Raises:
        GraphError: a call is entered twice, or its module unknown.
    """
    around: tuple[Frame, ...] = ()
    ended: set[tuple[str, int]] = set()
    running: set[tuple[str, int]] = set()
    for node in graph.nodes:
        scope = node.scope
        if scope is around or scope == around:
            continue
        common = 0
        while common < min(len(around), len(scope)) and around[common] == scope[common]:
            common += 1
        for frame in around[common:]:
            running.discard((frame.path, frame.call))
            ended.add((frame.path, frame.call))
        for frame in scope[common:]:
            _check_frame(frame, graph, node.where)
            call = (frame.path, frame.call)
            if call in ended or call in running:
                refuse(
                    f"call {frame.call} of the module {frame.path!r} is entered twice",
                    node.where,
                    "Its nodes are one contiguous run; number a further call by Frame.call.",
                )
            running.add(call)
        around = scope


def _check_frame(frame: Frame, graph: Graph, where: str) -> None:
    if type(frame) is not Frame or not is_path(frame.path) or not is_dotted(frame.type) or type(frame.call) is not int:
        refuse(f"{frame!r:.200} is not a call of a module", where, "Write Frame(path, class, number of the call).")
    if frame.path not in graph.entries:
        refuse(
            f"the module {frame.path!r} is not in the module table.{nearest(frame.path, graph.entries)}",
            where,
            "Add an Entry for it.",
        )
