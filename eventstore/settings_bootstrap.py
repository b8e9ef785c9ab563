"""The section of the settings that says what an application is made of, for its start."""

from __future__ import annotations

import json
import re
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from eventstore.settings_models import Section, Text

_OBJECT: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)?")


def _split(value: object) -> object:
    """Return the names in a text: a JSON list, or names with commas between them."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"is no list of names: {error.msg}") from None
    return [name.strip() for name in value.split(",") if name.strip()]


def _check_module(name: str) -> str:
    if _OBJECT.fullmatch(name) is None or ":" in name:
        raise ValueError("is no module, such as package.module")
    return name


def _check_callable(name: str) -> str:
    if _OBJECT.fullmatch(name) is None or ":" not in name:
        raise ValueError("is no callable, such as package.module:function")
    return name


Modules = Annotated[
    tuple[Annotated[Text, AfterValidator(_check_module)], ...], BeforeValidator(_split)
]
Callables = Annotated[
    tuple[Annotated[Text, AfterValidator(_check_callable)], ...], BeforeValidator(_split)
]


class BootstrapSettings(Section):
    """What `run_once_global_init` imports and starts; names in the order in which it is done."""

    evaluators: Modules = Field(
        default=(), description="Modules that register evaluators when they are imported."
    )
    tools: Modules = Field(
        default=(), description="Modules that register tools when they are imported."
    )
    services: Callables = Field(
        default=(), description="Callables `module:function` without arguments, called once."
    )
