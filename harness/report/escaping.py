"""Names come from plugins and reasons from anywhere: here they become text that no reader runs."""

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LATEX = {
    **{sign: "\\" + sign for sign in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}"},
    **{">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "\n": " ", "\r": " ", "\t": " "},
    **{"×": r"$\times$", "÷": r"$\div$", "≥": r"$\geq$", "≤": r"$\leq$", "∞": r"$\infty$", "µ": r"\textmu{}"},
    **{"·": r"$\cdot$", "–": "--", "…": r"\ldots{}", "†": r"\dag{}", "✓": r"$\checkmark$", "σ": r"$\sigma$"},
}


def csv_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with every text that a spreadsheet would take for a formula behind an apostrophe; numbers stay."""
    harmless = frame.map(lambda value: csv_text(value) if isinstance(value, str) else value)
    return harmless.rename(columns=lambda name: csv_text(str(name)))


def csv_text(text: str) -> str:
    """Text that a spreadsheet takes for text: `=HYPERLINK(…)` → `'=HYPERLINK(…)`."""
    return "'" + text if text.startswith(_FORMULA) else text


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it stands: `lstm_2` → `lstm\\_2`; the report's signs become its mathematics."""
    return "".join(_LATEX.get(sign, sign) for sign in text)
