"""Where the numbers of a record come from."""

from enum import StrEnum


class Origin(StrEnum):
    """Where numbers come from; its text is what tables, JSON and ``repr`` show."""

    EXACT = "exact"
    ON_A_GRID = "exact, on a grid"
    BUT_FOR_EPS = "exact but for eps"
    FIRST = "first order in 1/width"
    INFINITE = "infinite width"
    LOG_NORMAL = "log-normal approximation"
    SIMULATION = "simulation"

    def __repr__(self) -> str:
        return repr(self.value)

    @classmethod
    def of(cls, words: str) -> "Origin | str":
        """Return the origin of these words; the words themselves where they are a caller's own."""
        try:
            return cls(words)
        except ValueError:
            return words
