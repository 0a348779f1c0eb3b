"""The command ``raptors-trace``, also as ``python -m raptors_trace``."""

import signal
import sys

from raptors_trace import _native


def main() -> int:
    """Run the command line of this process and return its exit code.

    Python's own handler would only note an interrupt, and act on it after the command
    has returned. With the system's default handler the first Ctrl-C ends the command.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _native.main(["raptors-trace", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
