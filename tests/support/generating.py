"""Hypothesis strategies: names, refs, JSON values and events of every kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

import msgspec
from hypothesis import strategies as st

from eventstore.kinds import KINDS
from eventstore.names import MAX_NAME_BYTES
from eventstore.payloads import Form, PayloadInfo, Place
from eventstore.refs import derived_ref
from eventstore.times import from_milliseconds

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from eventstore.events import Event

LAST_MS: Final = 253_402_300_799_999  # the end of the year 9999

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
# Few letters that mean something in keys, so that two names are often near each other.
tricky_names = st.text(alphabet="ab:%{}7\n\x003Ag", min_size=1, max_size=6)
words = st.sampled_from(
    ["main", "log", "s:log", "index", "s:index", "branch", "branch:main", "digests", "g2", "%3A"]
)
names = st.one_of(
    tricky_names,
    words,
    texts.filter(lambda name: 0 < len(name.encode()) <= MAX_NAME_BYTES),
)
refs = st.integers(0, 30).map(lambda n: derived_ref(str(n)))
timestamps = st.integers(0, LAST_MS).map(from_milliseconds)
floats = st.floats(allow_nan=False, allow_infinity=False)


def json_values(max_bits: int = 63, max_leaves: int = 12) -> SearchStrategy[Any]:
    """Return JSON values whose integers have at most so many bits."""
    most = 2**max_bits - 1
    leaves = st.one_of(st.none(), st.booleans(), st.integers(-most, most), floats, texts)
    return st.recursive(
        leaves,
        lambda parts: st.lists(parts, max_size=4) | st.dictionaries(texts, parts, max_size=4),
        max_leaves=max_leaves,
    )


json_objects = st.dictionaries(texts, json_values(), max_size=4)
infos = st.builds(
    PayloadInfo,
    form=st.sampled_from(get_args(Form)),
    size=st.integers(0, 2**40),
    sha256=st.text(alphabet="0123456789abcdef", min_size=64, max_size=64),
    gzip=st.booleans(),
    stored=st.integers(0, 2**40),
    place=st.sampled_from(get_args(Place)),
)
segments = st.lists(st.tuples(names, st.integers(0, 99), st.integers(0, 99)), max_size=3).map(tuple)

_BY_NAME: Final[dict[str, SearchStrategy[Any]]] = {
    "ref": refs,
    "target": refs,
    "request": refs,
    "ts": timestamps,
    "parent_refs": st.lists(refs, max_size=3).map(tuple),
    "defaulted": st.sampled_from([(), ("ts",), ("ts", "correlation_id", "traceparent")]),
    "segments": segments,
    "payload": infos,
}
_BY_TYPE: Final[dict[Any, SearchStrategy[Any]]] = {
    str: names,
    int: st.integers(0, 2**53),
    float: floats,
    bool: st.booleans(),
    dict[str, Any]: json_objects,
    tuple[str, ...]: st.lists(names, max_size=3).map(tuple),
}


def _field(field: msgspec.structs.FieldInfo) -> SearchStrategy[Any]:
    types = [each for each in get_args(field.type) or (field.type,) if each is not type(None)]
    kind = field.type if field.type in _BY_TYPE else types[0]
    strategy = _BY_NAME[field.name] if field.name in _BY_NAME else _BY_TYPE[kind]
    if type(None) in get_args(field.type):
        return st.none() | strategy
    return strategy


def events_of(kind: type[Event]) -> SearchStrategy[Event]:
    """Return events of one kind with every field drawn, or left at its default."""
    fields = msgspec.structs.fields(kind)
    required = {field.name: _field(field) for field in fields if field.required}
    optional = {field.name: _field(field) for field in fields if not field.required}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: kind(**given))


events = st.one_of([events_of(kind) for kind in KINDS.values()])
