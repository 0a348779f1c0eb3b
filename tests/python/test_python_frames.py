"""Python functions stand in the sampled stacks, with their files and lines, where the interpreter ran them."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command import COMMAND, run_python

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or sys.version_info[:2] != (3, 11) or sys.implementation.name != "cpython",
    reason="the frames of CPython 3.11 on Linux are the ones that can be read",
)

WORK = """
import numpy as np
data = np.ones(400_000)
def inner_NAME():
    return np.sqrt(data)
def outer_NAME():
    return [inner_NAME() for _ in range(4)][-1]
"""
"""A module; `inner_NAME` calls NumPy in line 5, `outer_NAME` calls it in line 7."""


def drawn(tmp_path: Path, setup: str, a: str, b: str) -> dict[str, list[tuple[list[str], int]]]:
    """Sample two statements and return each side's stacks, outermost frame first, with their counts."""
    command = [COMMAND, "flamegraph", "--time", "0.2", "--sample-time", "2", "--python", sys.executable]
    command += ["--size", "1", "--setup", setup, "--a", a, "--b", b, "-o", str(tmp_path / "drawn")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
    stacks = {}
    for side in ("a", "b"):
        lines = (tmp_path / "drawn" / f"{side}.folded").read_text().splitlines()
        split = (line.rsplit(" ", 1) for line in lines)
        stacks[side] = [(stack.split(";"), int(count)) for stack, count in split]
    return stacks


def stacks_of(document: dict[str, Any]) -> list[list[str]]:
    """The Python functions of every sampled stack, outermost first."""
    assert document["why_no_python"] is None
    record = document["record"]
    names = [frame["python"][0] if "python" in frame else "" for frame in record["frames"]]
    found = []
    for stack, *_ in record["samples"]:
        frames, number = [], stack + 1
        while number:
            number, frame = record["stacks"][number - 1]
            frames.append(names[frame])
        found.append([name for name in reversed(frames) if name])
    return found


def test_each_sides_functions_are_in_its_stacks_in_order_with_file_and_line(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / f"work_{name}.py").write_text(WORK.replace("NAME", name))
    setup = "from work_first import outer_first\nfrom work_second import outer_second"
    stacks = drawn(tmp_path, setup, "outer_first()", "outer_second()")
    for side, own, other in (("a", "first", "second"), ("b", "second", "first")):
        chain = [
            r"main \(_driver\.py:\d+\)",
            rf"outer_{own} \(work_{own}\.py:7\)",
            rf"outer_{own}\.<locals>\.<listcomp> \(work_{own}\.py:7\)",
            rf"inner_{own} \(work_{own}\.py:5\)",
        ]
        total = sum(count for _, count in stacks[side])
        inside = 0
        for frames, count in stacks[side]:
            assert not any(f"_{other} (" in frame for frame in frames), frames
            rest = iter(frames)
            if all(any(re.fullmatch(wanted, frame) for frame in rest) for wanted in chain):
                # NumPy's code is inside of the function that called it.
                inside += count if "inner_" not in frames[-1] else 0
        assert inside > 0.8 * total > 0, stacks[side]


def test_threads_have_functions_of_their_own() -> None:
    document = run_python(
        """
        import threading, time
        import numpy as np
        from raptors_trace import _native
        data = np.ones(400_000)
        def burn(until):
            while time.perf_counter() < until:
                np.sqrt(data)
        def of_main(until): burn(until)
        def of_thread(until): burn(until)
        _native.start_sampling(997)
        _native.sample(0)
        until = time.perf_counter() + 1.5
        thread = threading.Thread(target=of_thread, args=(until,))
        thread.start()
        of_main(until)
        thread.join()
        _native.sample(None)
        print(_native.finish_sampling())
        """
    )
    both = set()
    for names in stacks_of(document):
        seen = {function for function in ("of_main", "of_thread") if any(n.startswith(f"{function} ") for n in names)}
        assert len(seen) <= 1, names
        both |= seen
    assert both == {"of_main", "of_thread"}


def test_a_function_that_is_gone_takes_nobody_elses_name() -> None:
    document = run_python(
        """
        import gc, time
        from raptors_trace import _native
        def burn(name):
            space = {}
            exec(f"def {name}(n):\\n    for _ in range(n): pass", space)
            space[name](300_000)
        _native.start_sampling(997)
        until, number = time.perf_counter() + 2, 0
        while time.perf_counter() < until:
            _native.sample(0)
            for _ in range(4):
                number += 1
                burn(f"short_lived_{number}")
            gc.collect()
            _native.sample(None)
        print(_native.finish_sampling())
        """
    )
    stacks = stacks_of(document)
    known = re.compile(r"(<module>|burn|short_lived_\d+) \(<string>:\d+\)|\[Python code that is gone\]")
    strange = [name for names in stacks for name in names if not known.fullmatch(name)]
    # No other code is made in a block, so whatever has another name has that of code which did not run.
    assert not strange
    assert any("[Python code that is gone]" in names for names in stacks)


def test_recursion_in_many_threads_is_sampled_without_a_crash() -> None:
    document = run_python(
        """
        import threading, time
        from raptors_trace import _native
        def down(depth):
            return 1 + down(depth - 1) if depth else sum(map(lambda n: n, range(50)))
        def generated(depth):
            yield from (down(depth) for _ in range(3))
        def work(until):
            while time.perf_counter() < until:
                for depth in range(0, 90, 7):
                    list(generated(depth))
                def passing(): return [n for n in range(200)]
                passing()
        def come_and_go(until):
            while time.perf_counter() < until:
                thread = threading.Thread(target=down, args=(30,))
                thread.start()
                thread.join()
        _native.start_sampling(997)
        _native.sample(0)
        until = time.perf_counter() + 4
        threads = [threading.Thread(target=work, args=(until,)) for _ in range(7)]
        threads.append(threading.Thread(target=come_and_go, args=(until,)))
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        _native.sample(None)
        print(_native.finish_sampling())
        """
    )
    stacks = stacks_of(document)
    assert any(names.count("down (<string>:5)") > 20 for names in stacks)
    assert any("[cut off: more than 64 Python frames]" in names for names in stacks)
