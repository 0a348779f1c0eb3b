"""The switches that rewrite code: the syntax tree of a statement, and of the functions that its setup defines."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from dataclasses import dataclass

from raptors_trace._names import numpy_in
from raptors_trace._protocol import Passes, ProtocolError

SCALAR_TYPES = {"float16", "float32", "float64", "longdouble", "int8", "int16", "int32", "int64", "single", "double"}


@dataclass
class Code:
    """The code of side `a` or `b`, which switches rewrite; each tells what it changed."""

    side: str
    setup: str
    statement: str
    passes: Passes | None = None


class _Rewriter(ast.NodeTransformer):
    """Rewrites, and remembers what in words."""

    def __init__(self) -> None:
        self.changed: list[str] = []

    def changes(self, node: ast.AST) -> None:
        self.changed.append(f"`{ast.unparse(node)}`")


class NoCopies(_Rewriter):
    """`x.copy()` and `np.copy(x)` become `x`, `np.array(x)` `np.asarray(x)`, and `x.astype(t)` copies if it must."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if not isinstance(function, ast.Attribute):
            return node
        of_numpy = isinstance(function.value, ast.Name) and function.value.id in ("np", "numpy")
        if function.attr == "copy" and not node.args and not node.keywords and not of_numpy:
            self.changes(node)
            return function.value
        if of_numpy and function.attr == "copy" and len(node.args) == 1:
            self.changes(node)
            return node.args[0]
        literal = bool(node.args) and isinstance(node.args[0], ast.List | ast.Tuple | ast.Constant | ast.ListComp)
        if of_numpy and function.attr == "array" and len(node.args) == 1 and not node.keywords and not literal:
            self.changes(node)
            function.attr = "asarray"
        if function.attr == "astype" and not any(keyword.arg == "copy" for keyword in node.keywords):
            self.changes(node)
            node.keywords.append(ast.keyword("copy", ast.Constant(False)))
        return node


class PlainScalars(_Rewriter):
    """`np.float64(2.5)` becomes `2.5`: a number that takes the arrays' type instead of forcing its own on them."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        function = node.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in SCALAR_TYPES
            and isinstance(function.value, ast.Name)
            and function.value.id in ("np", "numpy")
            and len(node.args) == 1
            and isinstance(node.args[0], ast.Constant | ast.UnaryOp)
        ):
            self.changes(node)
            return node.args[0]
        return node


class Automatic(_Rewriter):
    """Leaves a keyword of the kernel's calls out: the kernel chooses."""

    def __init__(self, keyword: str) -> None:
        super().__init__()
        self.keyword = keyword

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("scale"):
            forced = [keyword for keyword in node.keywords if keyword.arg == self.keyword]
            self.changed += [f"`{ast.unparse(keyword)}`" for keyword in forced]
            node.keywords = [keyword for keyword in node.keywords if keyword not in forced]
        return node


class OneThread(_Rewriter):
    """Calls of the kernel that ask for several threads ask for one."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr.startswith("scale"):
            for keyword in node.keywords:
                if keyword.arg == "threads" and ast.unparse(keyword.value) != "1":
                    self.changed.append(f"`{ast.unparse(keyword)}`")
                    keyword.value = ast.Constant(1)
        return node


UFUNCS = {
    ast.Add: "add",
    ast.Sub: "subtract",
    ast.Mult: "multiply",
    ast.Div: "true_divide",
    ast.FloorDiv: "floor_divide",
    ast.Mod: "remainder",
    ast.Pow: "power",
    ast.MatMult: "matmul",
}
"""The ufuncs behind Python's operators on arrays."""
THERE = "_raptors_there"
"""What a setup knows the memory by that a statement's result is written into."""


def _value_of(tree: ast.Module) -> ast.Expr | ast.Assign | None:
    """The last line of a statement, where that has a value."""
    last = tree.body[-1] if tree.body else None
    return last if isinstance(last, ast.Expr | ast.Assign) else None


def _writing_into(value: ast.expr, numpy: str) -> ast.Call | None:
    """The same value, computed into memory that is there; nothing where that cannot be told from the code.

    `numpy` is NumPy's name.
    """
    out = ast.keyword("out", ast.Name(THERE, ast.Load()))
    if isinstance(value, ast.BinOp) and type(value.op) in UFUNCS:
        ufunc = ast.Attribute(ast.Name(numpy, ast.Load()), UFUNCS[type(value.op)], ast.Load())
        return ast.Call(ufunc, [value.left, value.right], [out])
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    function = value.func
    if any(keyword.arg in ("out", None) for keyword in value.keywords):
        return None
    if isinstance(function.value, ast.Name) and function.value.id in ("np", "numpy"):
        called = getattr(sys.modules["numpy"], function.attr, None)
        if not isinstance(called, sys.modules["numpy"].ufunc) or len(value.args) != called.nin or called.nout != 1:
            return None
    elif function.attr != "scale":
        return None
    return ast.Call(function, value.args, [*value.keywords, out])


def into_memory_that_is_there(code: Code) -> list[str]:
    """Has the statement's last operation write its result into what its first run has left (`out=`)."""
    tree = ast.parse(code.statement)
    last = _value_of(tree)
    computed = None if last is None else _writing_into(last.value, numpy_in(code.setup))
    if last is None or computed is None:
        return []
    was = ast.unparse(last.value)
    before = "".join(f"{ast.unparse(node)}\n" for node in tree.body[:-1])
    last.value = computed
    code.statement = ast.unparse(ast.fix_missing_locations(tree))
    code.setup += f"\n{before}{THERE} = {was}"
    return [f"`{was}`"]


def more_passes(code: Code) -> list[str]:
    """Has a side go over its result again, so many times: into new memory, or in place."""
    if code.passes is None:
        raise ProtocolError("the switch `more_passes` is without the number of passes")
    tree = ast.parse(code.statement)
    last = _value_of(tree)
    if code.passes.side != code.side or last is None:
        return []
    numpy = numpy_in(code.setup)
    passed: ast.expr = ast.parse(f"{numpy}.asarray(x)", mode="eval").body
    assert isinstance(passed, ast.Call)
    passed.args = [last.value]
    multiply = f"{numpy}.multiply"
    once = f"(lambda x: {multiply}(x, 1, out=x))(x)" if code.passes.in_place else f"{multiply}(x, 1)"
    for _ in range(code.passes.count):
        call = ast.parse(once, mode="eval").body
        assert isinstance(call, ast.Call)
        call.args[0] = passed
        passed = call
    last.value = passed
    code.statement = ast.unparse(ast.fix_missing_locations(tree))
    return [f"`{code.statement}`"]


def rewriting(made: Callable[[], _Rewriter]) -> Callable[[Code], list[str]]:
    """A switch that goes over the syntax trees.

    Of the setup only what its functions do is rewritten: that is run by the statement, the rest only once.
    """

    def rewrite(code: Code) -> list[str]:
        rewriter = made()
        tree = ast.parse(code.statement)
        code.statement = ast.unparse(ast.fix_missing_locations(rewriter.visit(tree)))
        tree = ast.parse(code.setup)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                rewriter.generic_visit(node)
        if rewriter.changed:
            code.setup = ast.unparse(ast.fix_missing_locations(tree))
        return list(dict.fromkeys(rewriter.changed))

    return rewrite
