"""The tests run against the raptors_trace that is installed for this interpreter."""

import pytest

import raptors_trace

# Tests that let bpftrace, DTrace or perf watch other processes: nothing runs beside them, as each probe they set waits
# until every CPU has passed through the system's kernel, which takes ten times as long where the CPUs are busy.
TRACERS = (
    "test_scripts",
    "test_live",
    "test_careful",
    "test_engines",
    "test_probes",
    "test_reality",
    "test_flamegraph_perf",
    "test_outside",
)


def pytest_report_header() -> list[str]:
    """Say what is tested: an installed wheel, not the sources beside the tests."""
    return [f"raptors-trace {raptors_trace.__version__} from {raptors_trace.__file__}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the tracers, which `-m tracers` selects and `-m "not tracers"` leaves out."""
    for item in items:
        if item.path.stem in TRACERS:
            item.add_marker(pytest.mark.tracers)


@pytest.fixture(autouse=True)
def _no_forced_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an argument or the automatic choice decide, whatever the shell says."""
    kinds = ("BACKEND", "THREADS", "STORES", "ALLOC", "BUFFER_CACHE")
    for kind in kinds:
        monkeypatch.delenv(f"RAPTORS_{kind}", raising=False)
    # Not what `raptors-trace tune` may have measured for this user.
    monkeypatch.setenv("RAPTORS_TABLE", "shipped")
