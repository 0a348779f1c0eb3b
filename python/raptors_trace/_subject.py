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
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import repeat
from types import CodeType
from typing import Any

from raptors_trace._names import FACTOR, SEED, reads_provided, unused_prefix

FACTORS = (2.0, 0.5)
"""The two values of the alternating factor, in turn: an operation in place neither overflows nor underflows."""

MESSAGE_LENGTH = 300
"""The largest part of an exception's message, in characters, that a sentence shows."""

SIDES = {"a": 0, "b": 1}
"""The number of each side in a run file."""

Timed = Callable[[int], tuple[int, list[Any]]]


class SubjectError(Exception):
    """A side cannot be run. ``kind`` is a stable word; ``text`` is the message for the user."""

    def __init__(self, kind: str, side: str, text: str, detail: str = "", fix: str = "") -> None:
        super().__init__(text)
        self.kind = kind
        self.side = side
        self.text = text
        self.detail = detail
        self.fix = fix


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
        raise SubjectError("raised", side, text, _users_traceback(error), _fix(error)) from error


def _fix(error: BaseException) -> str:
    """What to do about it, where that is certain."""
    if isinstance(error, NameError) and error.name == FACTOR:
        return f"define `{FACTOR}` in --setup; only --in-place provides it, as the alternating factor"
    return ""


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
    in_place: bool = False
    """Whether the alternating factor is provided."""
    tree: ast.Module = field(init=False)
    setup_code: CodeType = field(init=False)
    sized: bool = field(init=False)

    def __post_init__(self) -> None:
        label = f"side {self.side.upper()}"
        with _reporting(self.side, f"the setup of {label}"):
            filename = f"<side {self.side.upper()}: setup>"
            _remember_source(filename, self.setup)
            self.setup_code = compile(ast.parse(self.setup, filename), filename, "exec", dont_inherit=True)
        with _reporting(self.side, f"the statement of {label}"):
            filename = f"<side {self.side.upper()}: statement>"
            _remember_source(filename, self.statement)
            self.tree = ast.parse(self.statement, filename)
            if not self.tree.body:
                raise SubjectError("empty", self.side, f"the statement of {label} is empty")
            # Whether the same statement can be run at size 1, which is how dispatch is measured on its own.
            self.sized = reads_provided(self.setup, self.statement, {"shape", "size"})
        loaded, stored = _free_names(self.tree)
        self.alternates = self.in_place and FACTOR in loaded and FACTOR not in stored
        # Names that the statement assigns must be globals of the function, or `a *= s` would be a local.
        self._stored = sorted(stored)
        self.has_value = isinstance(self.tree.body[-1], ast.Expr)

    def set_up(self) -> None:
        with _reporting(self.side, f"the setup of side {self.side.upper()}"):
            exec(self.setup_code, self.namespace)
        # However the setup has come by a name of its own: by an import, a definition, or `globals()`.
        self.alternates = self.alternates and FACTOR not in self.namespace

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
        filename = f"<side {self.side.upper()}: statement>"
        with _reporting(self.side, f"the statement of side {self.side.upper()}"):
            module = ast.parse(self._template(keep))
            function = module.body[0]
            assert isinstance(function, ast.FunctionDef)
            body = next(node for node in function.body if isinstance(node, ast.For))
            body.body = self._loop_body(keep)
            code = compile(ast.fix_missing_locations(module), filename, "exec", dont_inherit=True)
            scope: dict[str, Any] = {}
            exec(code, self.namespace, scope)
        (compiled,) = scope.values()
        clock = time.perf_counter_ns

        def call(n: int, results: Any) -> int:
            return int(compiled(self._turns(n, keep), results, clock))

        return call

    def _turns(self, n: int, keep: bool) -> Iterable[Any]:
        """What the loop goes over: of each operation its number, its factor, or both."""
        if not self.alternates:
            return range(n) if keep else repeat(None, n)
        factors = (FACTORS * ((n + 1) // 2))[:n]
        return enumerate(factors) if keep else factors

    def _template(self, keep: bool) -> str:
        """The function without its loop's body: it neither hides nor uses a name of the side's, `range` included."""
        own = unused_prefix(self.statement)
        loop = [f"{own}i"] * (keep or not self.alternates) + [FACTOR] * self.alternates
        declared = f"    global {', '.join(self._stored)}\n" if self._stored else ""
        return (
            f"def {own}round({own}turns, {own}results, {own}clock):\n"
            f"{declared}"
            f"    {own}started = {own}clock()\n"
            f"    for {', '.join(loop)} in {own}turns:\n"
            "        pass\n"
            f"    return {own}clock() - {own}started\n"
        )

    def _loop_body(self, keep: bool) -> list[ast.stmt]:
        # A second parse, because a tree must not be shared between two compiled functions.
        body = ast.parse(self.statement, f"<side {self.side.upper()}: statement>").body
        last = body[-1]
        if keep and isinstance(last, ast.Expr):
            own = unused_prefix(self.statement)
            target = ast.parse(f"{own}results[{own}i] = None").body[0]
            assert isinstance(target, ast.Assign)
            target.value = last.value
            body[-1] = ast.copy_location(target, last)
        return body


def padding(placement: int, side: str) -> int:
    """Bytes allocated ahead of a side's own: a multiple of 16 up to 64 KiB, none in the first placement."""
    if placement == 0:
        return 0
    steps = random.Random(f"{SEED} {placement} {side}").randrange(64, 4096)
    return 16 * steps
