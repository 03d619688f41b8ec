"""stub"""

from tests.simulation.book import Book
from tests.simulation.estate import Estate
from tests.simulation.trace import Trace


class Judge:
    def __init__(self, book: Book, estate: Estate, trace: Trace) -> None:
        self.book, self.estate, self.trace = book, estate, trace

    def after_a_burst(self) -> None: ...
    def at_the_end(self) -> None: ...
