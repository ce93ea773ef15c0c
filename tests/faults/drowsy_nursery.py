"""A nursery whose processes fall asleep at their failpoint, where those of others die."""

import signal
from types import SimpleNamespace

from shared import failpoints

if __name__ == "__main__":
    # The signal that a failpoint sends to its own process.
    vars(failpoints)["signal"] = SimpleNamespace(SIGKILL=signal.SIGSTOP)
    from tests.faults.nursery import main

    main()
