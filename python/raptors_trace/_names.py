"""The names of a side: those that the driver provides, and those that the side's own code defines.

A provided name yields: a setup that gives `size` or `np` a value of its own has that value from then on.
"""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from typing import Any

SEED = 20_2405
"""The seed of every side's random numbers, so that both have the same, and of the placements."""

FACTOR = "s"
"""The name of the alternating factor: provided to a statement in place only, where the side has no such name."""

NUMPY = "__raptors_numpy__"
"""NumPy for code that the switches write, where the setup means something else by `np`."""


def names_of_a_setup(shape: tuple[int, ...], dtype: str, padding: int) -> dict[str, Any]:
    """The names that a side's setup may use, in its own namespace. `--help` lists those without underscores."""
    import numpy as np

    from raptors_trace import kernel

    return {
        # Freed with the namespace, and what is allocated behind it lies elsewhere each time.
        "__padding__": bytearray(padding),
        "__name__": "__raptors_trace__",
        NUMPY: np,
        "np": np,
        "kernel": kernel,
        "rng": np.random.default_rng(SEED),
        "shape": shape,
        "size": shape[0] if shape else 1,
        "dtype": np.dtype(dtype),
    }


def unused_prefix(code: str) -> str:
    """A begin of names that no name of this code has."""
    prefix = "_raptors_"
    while prefix in code:
        prefix += "_"
    return prefix


def numpy_in(setup: str) -> str:
    """The name of NumPy in the code of a side with this setup."""
    order = _Order()
    order.visit(ast.parse(setup))
    return NUMPY if "np" in order.stored else "np"


def reads_provided(setup: str, statement: str, names: set[str]) -> bool:
    """Whether a side reads one of these names before it gives the name a value of its own."""
    order = _Order()
    for code in (setup, statement):
        order.visit(ast.parse(code))
    read = set(order.read)
    for code in (setup, statement):
        read |= set(_read_in_functions(symtable.symtable(code, "<side>", "exec"))) - order.stored
    return bool(read & names)


def _read_in_functions(table: symtable.SymbolTable) -> Iterator[str]:
    """The global names that functions read, whenever they are called."""
    for inner in table.get_children():
        for symbol in inner.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                yield symbol.get_name()
        yield from _read_in_functions(inner)


class _Order(ast.NodeVisitor):
    """The names that a module gives values to, and those that it reads before, in the order in which it runs.

    The bodies of functions run later, or never: `_read_in_functions` has them.
    """

    def __init__(self) -> None:
        self.stored: set[str] = set()
        self.read: set[str] = set()

    def visit_all(self, *nodes: Any) -> None:
        """Visits nodes and lists of nodes in this order."""
        for node in nodes:
            for each in node if isinstance(node, list) else [node]:
                if each is not None:
                    self.visit(each)

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.stored.add(node.id)
        elif node.id not in self.stored:
            self.read.add(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit_all(node.value, node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit_all(node.value, node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        # `a *= 2` reads `a` too, though the syntax tree only says that it is stored.
        if isinstance(node.target, ast.Name):
            self.visit(ast.Name(node.target.id, ast.Load()))
        self.visit_all(node.value, node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit_all(node.value, node.target)

    def visit_For(self, node: ast.For) -> None:
        self.visit_all(node.iter, node.target, node.body, node.orelse)

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            # The provided name once more.
            if (alias.name, alias.asname) != ("numpy", "np"):
                self.stored.add(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        self.visit_Import(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self.visit_all(node.decorator_list, node.args.defaults, node.args.kw_defaults)
        self.stored.add(node.name)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit_all(node.args.defaults, node.args.kw_defaults)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.visit_all(node.decorator_list, node.bases, node.keywords)
        self._in_own_scope(node.body)
        self.stored.add(node.name)

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._in_own_scope(node.generators, node.elt)

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self.visit_ListComp(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self.visit_ListComp(node)

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._in_own_scope(node.generators, node.key, node.value)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        self.visit_all(node.iter, node.target, node.ifs)

    def _in_own_scope(self, *nodes: Any) -> None:
        before = set(self.stored)
        self.visit_all(*nodes)
        self.stored = before
