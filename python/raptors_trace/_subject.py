"""The subject of one side: a statement with its setup, compiled into the loops that the driver times.

A statement is compiled once and run inside one function, so that a round of n operations is two clock reads
around a plain ``for`` loop. Names of the setup are globals of that function. A statement that ends in an
expression has a value, like the last line of a notebook cell; the value can be dropped at once or kept.
"""

from __future__ import annotations

import ast
import contextlib
import linecache
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from types import CodeType
from typing import Any

FACTORS = (2.0, 0.5)
"""The two values of the name ``s``, in turn, so that an operation in place neither overflows nor underflows."""

MESSAGE_LENGTH = 300
"""The largest part of an exception's message, in characters, that a sentence shows."""

SIDES = {"a": 0, "b": 1}
"""The number of each side in a run file."""

SEED = 20_2405
"""The seed of every side's random numbers, so that both have the same, and of the placements."""

Timed = Callable[[int], tuple[int, list[Any]]]


class SubjectError(Exception):
    """A side cannot be run. ``kind`` is a stable word; ``text`` is the message for the user."""

    def __init__(self, kind: str, side: str, text: str, detail: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.side = side
        self.text = text
        self.detail = detail


@contextlib.contextmanager
def _reporting(side: str, what: str) -> Iterator[None]:
    """Turns any exception of the user's code into a SubjectError with its traceback."""
    try:
        yield
    except SubjectError:
        raise
    except KeyboardInterrupt:
        raise
    except MemoryError as error:
        text = f"{what} ran out of memory{_message(error)}"
        raise SubjectError("memory", side, text, _users_traceback(error)) from error
    except BaseException as error:  # SystemExit and friends included: a statement may not end the driver
        text = f"{what} raised {type(error).__name__}{_message(error)}"
        raise SubjectError("raised", side, text, _users_traceback(error)) from error


def _message(error: BaseException) -> str:
    """Its message as the end of a sentence: its first line, as the traceback has the rest, or nothing."""
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # an exception of the user's own may not even be able to show itself
        return ""
    return f": {lines[0][:MESSAGE_LENGTH]}" if lines else ""


def _users_traceback(error: BaseException) -> str:
    """The traceback from the user's own code on, without the driver's frames."""
    tb = error.__traceback__
    while tb is not None and not tb.tb_frame.f_code.co_filename.startswith("<side "):
        tb = tb.tb_next
    if tb is None and not isinstance(error, SyntaxError):
        tb = error.__traceback__
    return "".join(traceback.format_exception(type(error), error, tb)).rstrip()


def _remember_source(filename: str, source: str) -> None:
    """Lets a traceback show the line of a statement that is in no file."""
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)


def _free_names(tree: ast.AST) -> tuple[set[str], set[str]]:
    loaded: set[str] = set()
    stored: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else stored).add(node.id)
    # `a *= s` reads `a` too, though the syntax tree only says that it is stored.
    loaded |= {n.target.id for n in ast.walk(tree) if isinstance(n, ast.AugAssign) and isinstance(n.target, ast.Name)}
    return loaded, stored


@dataclass
class Subject:
    """One side of one case, set up in a namespace of its own."""

    side: str
    name: str
    setup: str
    statement: str
    namespace: dict[str, Any]
    tree: ast.Module = field(init=False)
    setup_code: CodeType = field(init=False)
    sized: bool = field(init=False)

    def __post_init__(self) -> None:
        label = f"side {self.side.upper()}"
        with _reporting(self.side, f"the setup of {label}"):
            filename = f"<side {self.side.upper()}: setup>"
            _remember_source(filename, self.setup)
            setup_tree = ast.parse(self.setup, filename)
            self.setup_code = compile(setup_tree, filename, "exec", dont_inherit=True)
        with _reporting(self.side, f"the statement of {label}"):
            filename = f"<side {self.side.upper()}: statement>"
            _remember_source(filename, self.statement)
            self.tree = ast.parse(self.statement, filename)
            if not self.tree.body:
                raise SubjectError("empty", self.side, f"the statement of {label} is empty")
        loaded, stored = _free_names(self.tree)
        setup_loaded, setup_stored = _free_names(setup_tree)
        # Whether the same statement can be run at size 1, which is how dispatch is measured on its own.
        self.sized = bool({"shape", "size"} & (setup_loaded | loaded))
        self.alternates = "s" in loaded and "s" not in (stored | setup_stored)
        # Names that the statement assigns must be globals of the function, or `a *= s` would be a local.
        self._stored = sorted(stored)
        self.has_value = isinstance(self.tree.body[-1], ast.Expr)

    def set_up(self) -> None:
        with _reporting(self.side, f"the setup of side {self.side.upper()}"):
            exec(self.setup_code, self.namespace)

    def tear_down(self) -> None:
        self.namespace.clear()

    def once(self) -> Any:
        """Runs one operation and returns its value, or the first array that it works on if it has no value."""
        operation = self._function(keep=True)
        with _reporting(self.side, f"the statement of side {self.side.upper()}"):
            kept: list[Any] = [None] * (2 if self.alternates else 1)
            operation(1, kept)
            value = kept[0]
        return value if value is not None else self._operand()

    def _operand(self) -> Any:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and hasattr(self.namespace.get(node.id), "__array__"):
                return self.namespace[node.id]
        return None

    def timed(self, keep: bool) -> Timed:
        """A function of n that runs n operations and returns nanoseconds and the results it still holds.

        With ``keep`` all n results stay alive until the caller lets them go; without it each is dropped at once.
        """
        function = self._function(keep)

        def run(n: int) -> tuple[int, list[Any]]:
            results: list[Any] = [None] * n if keep else []
            with _reporting(self.side, f"the statement of side {self.side.upper()}"):
                return function(n, results), results

        return run

    def _function(self, keep: bool) -> Callable[[int, Any], int]:
        """Builds ``def round(n, results)``; the loop variable is the alternating factor where one is used."""
        loop = "for s in _factors[: _n]:" if self.alternates else "for _ in _repeat(None, _n):"
        if keep:
            loop = "for _i, s in enumerate(_factors[: _n]):" if self.alternates else "for _i in range(_n):"
        declared = f"    global {', '.join(self._stored)}\n" if self._stored else ""
        template = (
            "def _round(_n, _results, _factors, _repeat, _clock):\n"
            f"{declared}"
            "    _started = _clock()\n"
            f"    {loop}\n"
            "        pass\n"
            "    return _clock() - _started\n"
        )
        filename = f"<side {self.side.upper()}: statement>"
        with _reporting(self.side, f"the statement of side {self.side.upper()}"):
            module = ast.parse(template)
            function = module.body[0]
            assert isinstance(function, ast.FunctionDef)
            body = next(node for node in function.body if isinstance(node, ast.For))
            body.body = self._loop_body(keep)
            code = compile(ast.fix_missing_locations(module), filename, "exec", dont_inherit=True)
            scope: dict[str, Any] = {}
            exec(code, self.namespace, scope)
        compiled = scope["_round"]
        clock = time.perf_counter_ns

        def call(n: int, results: Any) -> int:
            factors = FACTORS * ((n + 1) // 2) if self.alternates else ()
            return int(compiled(n, results, factors, repeat, clock))

        return call

    def _loop_body(self, keep: bool) -> list[ast.stmt]:
        # A second parse, because a tree must not be shared between two compiled functions.
        body = ast.parse(self.statement, f"<side {self.side.upper()}: statement>").body
        last = body[-1]
        if keep and isinstance(last, ast.Expr):
            target = ast.parse("_results[_i] = None").body[0]
            assert isinstance(target, ast.Assign)
            target.value = last.value
            body[-1] = ast.copy_location(target, last)
        return body


def names_of_a_setup(shape: tuple[int, ...], dtype: str, padding: int) -> dict[str, Any]:
    """The names that a side's setup may use, in its own namespace."""
    import numpy as np

    from raptors_trace import kernel

    return {
        # Freed with the namespace, and what is allocated behind it lies elsewhere each time.
        "__padding__": bytearray(padding),
        "__name__": "__raptors_trace__",
        "np": np,
        "kernel": kernel,
        "rng": np.random.default_rng(SEED),
        "shape": shape,
        "size": shape[0] if shape else 1,
        "dtype": np.dtype(dtype),
    }


def padding(placement: int, side: str) -> int:
    """Bytes allocated ahead of a side's own: a multiple of 16 up to 64 KiB, none in the first placement."""
    if placement == 0:
        return 0
    steps = random.Random(f"{SEED} {placement} {side}").randrange(64, 4096)
    return 16 * steps


def first_difference(a: Any, b: Any) -> str | None:
    """Describes the first difference of two values; None if they are equal (NaN equals NaN)."""
    np = sys.modules["numpy"]
    try:
        x, y = np.asarray(a), np.asarray(b)
    except Exception:
        return None if a is b or a == b else f"A gave {a!r:.80}, B gave {b!r:.80}"
    if x.shape != y.shape:
        return f"A has shape {x.shape}, B has shape {y.shape}"
    if x.dtype != y.dtype:
        return f"A has dtype {x.dtype}, B has dtype {y.dtype}"
    equal = x == y
    if x.dtype.kind in "fc":
        equal = equal | ((x != x) & (y != y))
    equal = np.asarray(equal)
    if equal.all():
        return None
    flat = int(np.argmin(equal.reshape(-1)))
    index = tuple(int(i) for i in np.unravel_index(flat, x.shape))
    count = int(equal.size - np.count_nonzero(equal))
    where = "the value" if not index else f"element {list(index)}"
    return (
        f"{where} is {x.reshape(-1)[flat]!r} on side A and {y.reshape(-1)[flat]!r} on side B; "
        f"{count} of {equal.size} differ"
    )
