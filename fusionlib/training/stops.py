"""Ctrl-C and SIGTERM, put off to the end of a step, so that a checkpoint comes first."""

import signal
import threading

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stops:
    """Hears the signals that ask a process to stop, and lets them act later.

    `with Stops() as stops: ...`: inside, the first signal only makes
    `stops.came` true; `stops.act()` then does what it would have done, which
    mostly ends the process. A second signal acts at once. Python hears signals
    in its main thread alone: in another thread nothing is put off.
    """

    def __init__(self):
        self._came: signal.Signals | None = None
        self._before: dict = {}

    @property
    def came(self) -> bool:
        """Whether a signal waits."""
        return self._came is not None

    def act(self) -> None:
        """Let the signal that waits do what it would have done."""
        if self._came is not None:
            number, self._came = self._came, None
            signal.raise_signal(number)

    def __enter__(self) -> "Stops":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        self._restore()
        self.act()

    def _note(self, number: int, _) -> None:
        self._came = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            # None: of a program around Python, which can't be put back from here.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
