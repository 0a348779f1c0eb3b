"""The tests run against the raptors_trace that is installed for this interpreter."""

import pytest

import raptors_trace


def pytest_report_header() -> list[str]:
    """Say what is tested: an installed wheel, not the sources beside the tests."""
    return [f"raptors-trace {raptors_trace.__version__} from {raptors_trace.__file__}"]


@pytest.fixture(autouse=True)
def _no_forced_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an argument or the automatic choice decide, whatever the shell says."""
    for variable in ("RAPTORS_BACKEND", "RAPTORS_THREADS", "RAPTORS_ALLOC"):
        monkeypatch.delenv(variable, raising=False)
