"""How fast a step goes, and how long it will still take."""

FIRST_WAVE = 1.1
"""What is done within so many times the time of the first is of the first wave."""


class Pace:
    """Foretells the end of a step from what came after its first wave.

    Every worker's first unit may wait until its kernels have been compiled, a minute on a cold
    cache, and no later one does.

    >>> pace = Pace(100)
    >>> [pace.advance(10, after_s) for after_s in (60.0, 70.0, 80.0)]
    [None, 80.0, 70.0]
    """

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0
        self._first_s: float | None = None
        self._wave_s, self._wave_done = 0.0, 0

    def advance(self, n: int, seconds: float) -> float | None:
        """Count items that are done, and return the seconds that the rest will take, if known.

        Parameters
        ----------
        n
            Items just done.
        seconds
            Since the step began.
        """
        self.done += n
        if self._first_s is None:
            self._first_s = seconds
        if seconds <= FIRST_WAVE * self._first_s:
            self._wave_s, self._wave_done = seconds, self.done
        later = self.done - self._wave_done
        if later == 0:
            return None
        return (seconds - self._wave_s) * (self.total - self.done) / later
