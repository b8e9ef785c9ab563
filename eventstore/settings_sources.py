"""Where settings come from: arguments, environment and file, as layers of single values.

A layer maps the path of a setting, as in ("redis", "host"), to its value and origin. Layers are
merged value by value, so a higher layer replaces exactly the settings that it names. The order,
highest first: arguments, EVENTSTORE_ variables, alias variables, the configuration file.
"""

from __future__ import annotations

import difflib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_origin

from pydantic import BaseModel

from eventstore.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic.fields import FieldInfo

PREFIX = "EVENTSTORE_"
CONFIG_VARIABLE = "EVENTSTORE_CONFIG"
AGENTS_VARIABLE = "EVENTSTORE_AGENTS"
# From a supervisor to its worker, and of no use to anybody else.
EMBEDDED_URL_VARIABLE = "EVENTSTORE_EMBEDDED_URL"
ALIASES = {
    "REDIS_URL": ("redis", "url"),
    "REDIS_HOST": ("redis", "host"),
    "REDIS_PORT": ("redis", "port"),
    "REDIS_DB": ("redis", "db"),
    "REDIS_PASSWORD": ("redis", "password"),
    "OPENAI_API_KEY": ("llm", "api_key"),
}
_URL = ("redis", "url")

# Kubernetes describes a Service called redis or eventstore to every pod by such variables.
_SERVICE_NAME = re.compile(
    r"(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")

SettingPath = tuple[str, ...]


@dataclass(frozen=True)
class Value:
    """One value and where it came from; `repr` hides the value, which may be a secret."""

    origin: str
    content: Any

    def __repr__(self) -> str:
        return f"Value({self.origin!r})"


Layer = dict[SettingPath, Value]


def leaves(
    model: type[BaseModel], path: SettingPath = ()
) -> Iterator[tuple[SettingPath, FieldInfo]]:
    """Yield path and field of every single setting of a model, sections opened up."""
    for name, field in model.model_fields.items():
        section = _section(field)
        if section is None:
            yield (*path, name), field
        else:
            yield from leaves(section, (*path, name))


def variable(path: SettingPath) -> str:
    """Return the environment variable of a setting, as in EVENTSTORE_REDIS__HOST."""
    return PREFIX + "__".join(path).upper()


def prefixed_layer(model: type[BaseModel], environ: Mapping[str, str]) -> Layer:
    """Return the settings that EVENTSTORE_ variables give; an empty variable counts as unset.

    Raises `SettingsError` for EVENTSTORE_ variables that name no setting.
    """
    fields = {variable(path): (path, field) for path, field in leaves(model)}
    known = [*fields, CONFIG_VARIABLE, AGENTS_VARIABLE, EMBEDDED_URL_VARIABLE]
    _refuse_unknown_variables(known, environ)
    layer: Layer = {}
    for name, (path, field) in fields.items():
        text = environ.get(name)
        if text:
            content = _decode_object(name, text) if get_origin(field.annotation) is dict else text
            layer[path] = Value(f"environment variable {name}", content)
    return layer


def alias_layer(environ: Mapping[str, str]) -> Layer:
    """Return the settings that the usual names of other tools give, such as REDIS_URL."""
    return {
        path: Value(f"environment variable {name}", environ[name])
        for name, path in ALIASES.items()
        if environ.get(name) and not _SERVICE_ADDRESS.match(environ[name])
    }


def embedded_layer(environ: Mapping[str, str]) -> Layer:
    """Return the address of the embedded server that a supervisor gave its worker, if it did.

    That server has one database and no accounts: what other layers say of those is about another.
    """
    url = environ.get(EMBEDDED_URL_VARIABLE)
    if not url:
        return {}
    own = {"url": url, "host": None, "db": 0, "username": None, "password": None}
    origin = f"environment variable {EMBEDDED_URL_VARIABLE}"
    return {("redis", name): Value(origin, content) for name, content in own.items()}


def nested_layer(model: type[BaseModel], values: Any, origin: str) -> Layer:
    """Return the settings of a nested document; `origin` names it in messages.

    Raises `SettingsError` for keys that the model does not have, and where an object is missing.
    """
    layer: Layer = {}
    problems: list[str] = []
    _flatten(model, values, (), origin, layer, problems)
    if problems:
        raise SettingsError("\n".join(problems))
    return layer


def merge(layers: Sequence[Layer]) -> Layer:
    """Merge layers, the highest first.

    `redis.url` and `redis.host` say the same thing in two ways, so the higher layer's way holds:
    its host drops a lower layer's url. A port or db above a url alone would be without effect,
    and raises `SettingsError`.
    """
    merged: Layer = {}
    for layer in layers:
        lower = dict(layer)
        if _is_given(layer, _URL) and _address_stands(merged, layer[_URL]):
            del lower[_URL]
        merged = lower | merged
    return merged


def nest(layer: Layer) -> dict[str, Any]:
    """Return a layer as nested dictionaries, ready for validation."""
    nested: dict[str, Any] = {}
    for path, value in layer.items():
        section = nested
        for name in path[:-1]:
            section = section.setdefault(name, {})
        section[path[-1]] = value.content
    return nested


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return "; did you mean …?" for the known name closest to `name`, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _section(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _address_stands(higher: Layer, url: Value) -> bool:
    """Whether a higher layer has given the address already, so that `url` is dropped."""
    if _URL in higher or _is_given(higher, ("redis", "host")):
        return True
    for name in ("port", "db"):
        if _is_given(higher, ("redis", name)):
            raise SettingsError(
                f"redis.{name} ({higher['redis', name].origin}) would have no effect: redis.url "
                f"({url.origin}) gives the whole address; change the URL, or set the host as well"
            )
    return False


def _is_given(layer: Layer, path: SettingPath) -> bool:
    return path in layer and layer[path].content is not None


def _refuse_unknown_variables(known: Sequence[str], environ: Mapping[str, str]) -> None:
    problems = [
        f"environment variable {name}: there is no such setting{suggestion(name.upper(), known)}"
        for name, text in sorted(environ.items())
        if name.upper().startswith(PREFIX) and name not in known and not _is_service(name, text)
    ]
    if problems:
        raise SettingsError("\n".join(problems))


def _is_service(name: str, text: str) -> bool:
    rest = name.removeprefix(PREFIX)
    return _SERVICE_NAME.fullmatch(rest) is not None or (
        rest.endswith("PORT") and _SERVICE_ADDRESS.match(text) is not None
    )


def _decode_object(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"column {error.colno}: {error.msg}"
    except RecursionError:
        problem = "is nested too deeply"
    raise SettingsError(f"environment variable {name} must hold a JSON object: {problem}")


def _flatten(
    model: type[BaseModel],
    values: Any,
    path: SettingPath,
    origin: str,
    layer: Layer,
    problems: list[str],
) -> None:
    if isinstance(values, model):
        values = dict(values)
    if not isinstance(values, dict):
        what = ".".join(path) or "the whole"
        problems.append(f"{what} ({origin}): must be an object, not {type(values).__name__}")
        return
    for key, content in values.items():
        here = (*path, str(key))
        field = model.model_fields.get(key)
        if field is None:
            known = [".".join((*path, name)) for name in model.model_fields]
            dotted = ".".join(here)
            problems.append(f"{dotted} ({origin}): unknown key{suggestion(dotted, known)}")
        elif (section := _section(field)) is not None:
            _flatten(section, content, here, origin, layer, problems)
        else:
            layer[here] = Value(origin, content)
