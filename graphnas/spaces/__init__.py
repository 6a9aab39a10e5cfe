"""Published search spaces, written with the words of `graphnas.nn`.

A function named after its space gives a network to be traced: `gn.trace(gn.spaces.darts(), torch.zeros(2, 3, 32, 32))`.
`search=True` gives the form in which a supernet is trained, otherwise the one in which what was found is. Both have the
same labels and options, whatever the depth and width, so that an architecture carries over.
"""

from graphnas.spaces.darts import darts, darts_arch, darts_genotype
from graphnas.spaces.nasbench201 import nasbench201, nasbench201_arch, nasbench201_text
from graphnas.spaces.nasbench_macro import nasbench_macro, nasbench_macro_arch, nasbench_macro_text
from graphnas.spaces.proxyless import proxyless
from graphnas.spaces.spos import spos, spos_arch, spos_numbers

__all__ = [
    "darts",
    "darts_arch",
    "darts_genotype",
    "nasbench201",
    "nasbench201_arch",
    "nasbench201_text",
    "nasbench_macro",
    "nasbench_macro_arch",
    "nasbench_macro_text",
    "proxyless",
    "spos",
    "spos_arch",
    "spos_numbers",
]
