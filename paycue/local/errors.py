"""The one error of the local stack: a sentence that says what was found and what to do. It is never shown with a stack trace."""


class LocalStackError(Exception):
    """The local stack cannot start or go on; the message is one sentence for the person at the terminal."""
