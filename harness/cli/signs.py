"""Signs that a terminal may not know, as ones that every terminal does: `2.1×` becomes `2.1x`, never a traceback."""

import codecs
import io
import sys

NAME = "harness-signs"
"""Of what writes unknown signs, and of the encoding of terminals that know ASCII alone."""
PLAIN = {
    **{"×": "x", "·": "-", "•": "*", "→": "->", "←": "<-", "–": "-", "—": "-", "−": "-", "…": "..."},
    **{"≤": "<=", "≥": ">=", "≠": "!=", "±": "+-", "∞": "inf", "†": "+", "°": "*", "✓": "*", "÷": "/", "∘": "*"},
    **{"∂": "d", "σ": "sigma", "µ": "u", "‖": "|", "Δ": "delta", "“": "'", "”": "'", "’": "'", "²": "^2"},
}


def install() -> None:
    """Lets the standard streams write every text, whatever their encoding.

    A terminal that knows ASCII alone gets that by another name: to click, ASCII means a stream set up wrongly, to which
    it writes UTF-8. A pipe is left to it, for UTF-8 is what programs read.
    """
    register()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            bare = stream.isatty() and codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=NAME if bare else None, errors=NAME)


def register() -> None:
    """Makes both known to Python: what writes unknown signs, and the encoding."""
    codecs.register_error(NAME, _plain)
    codecs.register(_encoding)


def _plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(PLAIN.get(sign, "?") for sign in signs), error.end


def _encoding(name: str) -> codecs.CodecInfo | None:
    """ASCII under this file's name."""
    if name.replace("_", "-") != NAME:
        return None
    found = codecs.lookup("ascii")
    return codecs.CodecInfo(
        name=NAME,
        encode=found.encode,
        decode=found.decode,
        incrementalencoder=found.incrementalencoder,
        incrementaldecoder=found.incrementaldecoder,
    )
