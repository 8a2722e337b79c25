"""HTML pages of a package: templates and files in its folder `pages`, whose values are escaped and must all exist."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

FOLDER = "pages"


def environment(package: str) -> Environment:
    """What renders a package's templates."""
    return Environment(
        loader=PackageLoader(package, FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def asset(package: str, name: str) -> Markup:
    """A file that a page takes in as it is: a style sheet, a script."""
    return Markup(files(package).joinpath(FOLDER, name).read_text("utf-8"))
