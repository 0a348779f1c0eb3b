"""The sampler in a program that uses its signal too, or calls it from two threads."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command import COMMAND, run_python

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGPROF"), reason="the sampler needs SIGPROF")

OWN_HANDLER = """
import signal
is_set = False
def statement():
    global is_set
    if not is_set and signal.getitimer(signal.ITIMER_PROF)[0] > 0:
        signal.signal(signal.SIGPROF, lambda *_: None)
        is_set = True
"""
"""A module whose statement takes the signal once it is being sampled."""


def test_a_handler_of_the_programs_own_keeps_the_signal_and_the_run_says_so() -> None:
    document = run_python(
        """
        import json, os, signal, time
        from raptors_trace import _native
        def burn(seconds):
            end = time.process_time() + seconds
            while time.process_time() < end:
                sum(range(1000))
        theirs = []
        _native.start_sampling(997)
        for side in (0, 1):
            _native.sample(side)
            burn(0.3)
            _native.sample(None)
        _native.sample(1)
        signal.signal(signal.SIGPROF, lambda *_: theirs.append(1))
        burn(0.6)
        _native.sample(None)
        sampled = json.loads(_native.finish_sampling())
        before = len(theirs)
        burn(0.2)
        assert len(theirs) == before, "our timer goes on"
        os.kill(os.getpid(), signal.SIGPROF)
        burn(0.01)
        assert len(theirs) == before + 1, "their handler is gone"
        print(json.dumps(sampled))
        """
    )
    [trouble] = document["troubles"]
    assert trouble.startswith("the program set its own handler or timer of SIGPROF while it was sampled")
    assert " of B; sample with --engine perf" in trouble
    assert " of A" not in trouble


def test_a_flamegraph_warns_of_samples_that_the_statement_took(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN_HANDLER)
    command = [COMMAND, "flamegraph", "--time", "0.2", "--sample-time", "1", "--python", sys.executable, "--size", "1"]
    # Long operations: on a busy machine too, each round lasts for some samples.
    work = "sum(range(1_000_000))"
    command += ["--setup", "import own", "--a", work, "--b", f"own.statement(); {work}"]
    command += ["-o", str(tmp_path / "drawn")]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=environment, cwd=tmp_path
    )
    # Without any sample before, the command fails with the same reason.
    assert done.returncode in (0, 3), done.stdout + done.stderr
    told = " ".join((done.stdout + done.stderr).split())
    assert "the program set its own handler or timer of SIGPROF" in told, told


def test_two_threads_that_use_the_sampler_at_once_both_go_on() -> None:
    done = run_python(
        """
        import json, threading, time
        from raptors_trace import _native
        over = False
        refusals = set()
        def attempt(function, *arguments):
            try:
                return function(*arguments)
            except RuntimeError as error:
                refusals.add(str(error))
        def other():
            while not over:
                attempt(_native.sample, None)
        thread = threading.Thread(target=other)
        thread.start()
        for _ in range(10):
            attempt(_native.start_sampling, 997)
            attempt(_native.sample, 0)
            sum(range(100_000))
            attempt(_native.finish_sampling)
        over = True
        thread.join()
        print(json.dumps({"refusals": sorted(refusals)}))
        """
    )
    known = ("the sampler is being switched by another thread", "nothing is sampled", "there are no samples")
    strange = [refusal for refusal in done["refusals"] if not refusal.startswith(known)]
    assert not [refusal for refusal in strange if "being sampled already" not in refusal], strange
