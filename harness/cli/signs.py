"""Signs that a terminal may not know, as ones that every terminal does: `2.1×` becomes `2.1x`, never a traceback."""

import codecs
import io
import sys

NAME = "harness-signs"
PLAIN = {
    **{"×": "x", "·": "-", "•": "*", "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "…": "..."},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "∞": "inf", "†": "+", "°": "*", "✓": "*", "÷": "/", "∘": "*"},
    **{"∂": "d", "σ": "sigma", "µ": "u", "‖": "|", "Δ": "delta", "“": '"', "”": '"', "’": "'", "²": "^2"},
}


def install() -> None:
    """Lets the standard streams write every text, whatever their encoding."""
    codecs.register_error(NAME, _plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=NAME)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end
