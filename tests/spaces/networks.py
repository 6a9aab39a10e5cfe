"""Small instances of the published spaces, with few cells and channels, for images of 8 x 8."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from graphnas import spaces

SMALL: dict[str, Callable[[bool], nn.Module]] = {
    "darts": lambda search: spaces.darts(3, 2, search=search),
    "nasbench201": lambda search: spaces.nasbench201(2, 1, search=search),
    "nasbench_macro": lambda search: spaces.nasbench_macro(2, search=search),
    "proxyless": lambda search: spaces.proxyless(10, (4, 4, 4, 4, 6, 6), (1, 2, 1, 2, 1, 1), search=search),
    "spos": lambda search: spaces.spos(10, (18, 20, 24, 28), (2, 1, 1, 2), search=search),
}

FORMS: dict[str, Callable[[], nn.Module]] = {
    f"{name} {'search' if search else 'final'}": lambda make=make, search=search: make(search)
    for name, make in SMALL.items()
    for search in (False, True)
}
