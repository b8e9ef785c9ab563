"""The page itself: a template, a style sheet and a script of this package, made one file."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import TYPE_CHECKING

import jinja2
from markupsafe import Markup

from consumers.page.model import model_of

if TYPE_CHECKING:
    from consumers.page.collect import Session


def render(session: Session) -> str:
    """Return a session as a whole HTML document that loads nothing from anywhere."""
    package = files("consumers.page")
    model = model_of(session)
    return _template().render(
        page=model,
        # Our own files, and JSON that `model_of` made safe for where it stands.
        style=Markup(package.joinpath("page.css").read_text("utf-8")),
        script=Markup(package.joinpath("page.js").read_text("utf-8")),
        data=Markup(model.data),
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = files("consumers.page").joinpath("page.html.j2").read_text("utf-8")
    return environment.from_string(source)
