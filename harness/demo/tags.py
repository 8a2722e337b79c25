"""Elements of a page, written by Python: figures and equations."""

from markupsafe import Markup, escape


def tag(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """An element; `class_` gives the attribute `class`, `stroke_width` gives `stroke-width`. Texts are escaped."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_text(value)}"' for key, value in attributes.items())
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def _text(value: str | float) -> str:
    """Coordinates to a hundredth of a unit: nobody sees more."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else escape(value)
