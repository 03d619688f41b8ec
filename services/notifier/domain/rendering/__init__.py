"""Rendering: the facts of one claim become one mail or one SMS. Pure; it must never look anything up."""
