"""The driver: one process that sets both sides up, checks, warms up and runs the rounds.

``python -m raptors_trace._driver`` reads messages of the module ``_protocol`` from standard input, the spec first, and
writes progress to standard output, one JSON object a line. What is measured goes into the run file only: marks by the
rounds, calls by the observers. A statement's own output is sent to standard error.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import time
import traceback
from typing import Any

from raptors_trace import _facts, _native
from raptors_trace import _protocol as protocol
from raptors_trace._case import Case, document, release
from raptors_trace._names import SEED
from raptors_trace._native import RoundKind
from raptors_trace._process import Commands, KeptAction, Progress, leave, search_here_last
from raptors_trace._protocol import ProtocolError
from raptors_trace._rounds import run_round
from raptors_trace._subject import Subject, SubjectError

CONTROL_OPS = 3


def hooks(reports: dict[str, Any]) -> protocol.Hooks:
    """What the observers could not be armed for; a warning of each that could not be armed at all."""
    for hook, report in reports.items():
        if "error" in report:
            document(protocol.Note(f"the observer of {hook} could not be armed: {report['error']}"))
    refused = [not_armed for report in reports.values() for not_armed in report.get("not_armed", [])]
    return protocol.Hooks([protocol.NotArmed(each["what"], each["why"]) for each in refused])


def barrier(cases: list[Case], wait: protocol.Wait, progress: Progress, commands: Commands) -> None:
    """Stops after imports and warm-up, until somebody who wanted to attach a tool says that it is time.

    That is the command (Enter), SIGUSR1, or the end of ``wait.seconds`` where that is a number.
    """
    for case in cases:
        subjects = case.subjects(case.shape)
        timed = {side: subject.timed(keep=False) for side, subject in subjects.items()}
        for side, function in timed.items():
            run_round(case.index, side, RoundKind.WARMUP, function, 2)
        release(subjects, timed)
    wake, woken = os.pipe()
    for end in (wake, woken):
        os.set_blocking(end, False)
    before = KeptAction(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    bell = signal.set_wakeup_fd(woken)
    try:
        progress.say(protocol.Waiting(progress.pid, wait.seconds))
        deadline = None if wait.seconds is None else time.monotonic() + wait.seconds
        while deadline is None or time.monotonic() < deadline:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            both: list[Any] = [commands, wake]
            ready, _, _ = select.select(both, [], [], left)
            if commands in ready:
                commands.next(protocol.Go)
                break
            if wake in ready and signal.SIGUSR1 in os.read(wake, 64):
                break
    finally:
        signal.set_wakeup_fd(bell)
        before.put_back()
        os.close(wake)
        os.close(woken)


def traced(cases: list[Case], number: int, progress: Progress, commands: Commands) -> None:
    """Rounds for the tracer of that number: ready, go, rounds of every case and of the control, done.

    The tracer tells the rounds apart by the probes that `run_round` fires, so setting up and warming up may go on under
    it unseen. What it saw comes back as a document, which belongs into the run file.
    """
    progress.say(protocol.Ready(number, progress.pid))
    if commands.next(protocol.Go).go:
        for case in cases:
            if not case.skipped:
                case.trace(number)
        # Once unseen, so that OpenBLAS's own start is not counted.
        subject = control_subject().timed(keep=False)
        run_round(len(cases), "a", RoundKind.WARMUP, subject, 1)
        run_round(len(cases), "a", RoundKind.TRACED, subject, CONTROL_OPS, number)
    progress.say(protocol.Traced(number))
    document(commands.next(protocol.Observed))


def control_subject() -> Subject:
    """What the positive control runs."""
    import numpy as np

    a = np.random.default_rng(SEED).random((64, 64), dtype=np.float32)
    namespace = {"a": a, "__name__": "__raptors_trace__"}
    return Subject("a", "control", "", "a @ a", namespace)


def control(index: int) -> dict[str, Any]:
    """Runs the positive control: the observers must see the BLAS call of ``a @ a``.

    Returns what arming them reported.
    """
    subject = control_subject()
    reports = _native.arm(touch=False)
    try:
        run_round(index, "a", RoundKind.CONTROL, subject.timed(keep=False), CONTROL_OPS)
    finally:
        _native.disarm()
    return reports


def run(spec: protocol.Spec, progress: Progress, commands: Commands) -> None:
    """Everything, in order; the run file is whole when this returns."""
    _native.start_recording(spec.recording, spec.limit_bytes, spec.ahead_bytes)
    try:
        document(spec)
        for warning in spec.warnings:
            document(protocol.Note(warning))
        # Before NumPy: the threads that OpenBLAS starts when it is loaded are counted only if they are born later.
        why_no_counters = _native.open_counters()
        import numpy as np  # noqa: F401  (a missing NumPy was reported before the driver was started)

        progress.say(protocol.Started())
        document(protocol.Clock(_native.clock_read_ns()))
        gc.disable()
        reports = control(len(spec.cases))
        document(hooks(reports))
        document(_facts.software(reports.get("routines", {}).get("objects", []), why_no_counters))
        faults: dict[str, float] = {}
        counting = why_no_counters is None
        cases = [
            Case(index, case, progress, counting, spec.sampling, commands) for index, case in enumerate(spec.cases)
        ]
        if spec.wait is not None:
            barrier(cases, spec.wait, progress, commands)
        for case in cases:
            gc.collect()
            faults = case.run(case.spec.seconds, faults)
        for number in range(len(spec.tracers)):
            traced(cases, number, progress, commands)
    finally:
        gc.enable()
        _native.finish_recording()


def attempt(progress: Progress) -> int:
    """Runs what standard input asks for and says how that went; the exit code. An interruption is the caller's."""
    commands = Commands()
    try:
        run(commands.next(protocol.Spec), progress, commands)
    except SubjectError as error:
        progress.say(protocol.Failed(error.kind, error.text, error.detail, error.fix))
    except ProtocolError as error:
        progress.say(protocol.Failed("protocol", str(error), fix="install both from the same source: pip install ."))
    except MemoryError:
        progress.say(protocol.Failed("memory", "the driver ran out of memory"))
    except OSError as error:
        # The recorder's fix is a note of its exception.
        fix = "; ".join(getattr(error, "__notes__", []))
        progress.say(protocol.Failed("recording", f"the run could not be recorded: {error}", fix=fix))
    except Exception as error:
        text = f"the driver failed, which is a fault of raptors-trace: {type(error).__name__}: {error}"
        progress.say(protocol.Failed("driver", text, traceback.format_exc()))
    else:
        progress.say(protocol.Finished())
        return 0
    return 3


def interrupt_once(*_: object) -> None:
    """Handles SIGINT: a terminal sends one to the driver, and the command another, which must not disturb the end."""
    signal.signal(signal.SIGINT, lambda *_: None)
    raise KeyboardInterrupt


def main() -> int:
    """Entry point of the process.

    Exit code 0: done; 3: a side could not be run, the reason was said; 130: interrupted.
    """
    search_here_last()
    progress = Progress()
    try:
        signal.signal(signal.SIGINT, interrupt_once)
        # The command has it wait until somebody is here to handle it.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return attempt(progress)
    except KeyboardInterrupt:
        progress.say(protocol.Interrupted())
        return 130


if __name__ == "__main__":
    leave(main())
