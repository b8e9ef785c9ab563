"""Projections of other projects: what loads, and what is left out and said by name."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest
from support.distribution import install, projection_source

from consumers.session_driver import TICKS_GROUP
from consumers.working.groups import known_groups, plugins
from consumers.working.plugins import load_plugins
from eventstore.errors import PluginError
from eventstore.keys import Keys
from eventstore.subscribing.wanted import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from consumers.working.plugins import Plugins

NAMES, FAMILIES = RESERVED, {"index", "tag"}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the module path; what it gives to import is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def load() -> Plugins:
    return load_plugins(NAMES, FAMILIES)


def add(site: Path, point: str, source: str, value: str = "", dist: str = "") -> None:
    """Install a distribution of one module, named like its entry point."""
    module = f"m_{point.replace('-', '_').replace('.', '_')}{len(list(site.iterdir()))}"
    install(site, dist or f"dist-{point}", {module: source}, {point: value or f"{module}:View"})


def faults(found: Plugins) -> str:
    return "\n".join(map(str, found.faults))


def test_without_plugins_there_is_nothing() -> None:
    assert load() == ((), ())


def test_a_class_is_made_and_an_object_is_taken(site: Path) -> None:
    add(site, "made", projection_source("made", "frozenset({'one', 'x.y-z_1'})"))
    install(
        site,
        "objects",
        {"m_object": projection_source("taken", "frozenset({'two'})") + "\nVIEW = View()\n"},
        {"taken": "m_object:VIEW"},
    )
    found = load()
    assert [each.name for each in found.projections] == ["made", "taken"]
    assert [each.families for each in found.projections] == [{"one", "x.y-z_1"}, {"two"}]
    assert found.faults == ()


@pytest.mark.parametrize(
    ("point", "source", "said"),
    [
        ("own", "import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        ("own", "raise SystemExit('no')", "SystemExit: no"),
        ("own", "1 / 0", "ZeroDivisionError: division by zero"),
        ("own", "class Other: ...", "AttributeError"),
        ("own", "class View:\n    def __init__(self): raise KeyError('x')", "KeyError: 'x'"),
        ("own", "class View: name = 'own'", "no method needs"),
        ("own", "class View:\n    needs = print", "no method fold"),
        ("own", "View = 1", "no method needs"),
        ("own", projection_source("other"), "its name is 'other'"),
        ("own", projection_source(5), "its name is 5"),
        ("Own", projection_source("Own"), "its name is 'Own'"),
        ("own", projection_source("own", "{'own'}"), "its families are {'own'}"),
        ("own", projection_source("own", "frozenset()"), "its families are frozenset()"),
        ("own", projection_source("own", "frozenset({'a:b'})"), "its families are"),
        ("own", projection_source("own", "frozenset({1})"), "its families are"),
        ("index", projection_source("index"), "the name 'index' is taken by eventstore"),
        ("payloads", projection_source("payloads"), "the name 'payloads' is taken"),
        ("ticks", projection_source("ticks"), "the name 'ticks' is taken"),
        ("own", projection_source("own", "frozenset({'own', 'tag'})"), "family 'tag' is taken"),
    ],
)
def test_one_that_cannot_be_used_is_named_and_the_others_load(
    site: Path, point: str, source: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    add(site, point, source, dist="broken")
    add(site, "sound", projection_source("sound", "frozenset({'sound'})"))
    with caplog.at_level(logging.ERROR):
        found = load()
    assert [each.name for each in found.projections] == ["sound"]
    (fault,) = found.faults
    assert (fault.plugin, fault.source.split()[0]) == (point, "broken")
    assert said in str(fault)
    assert caplog.messages == [f"{fault}; it is left out"]


def test_a_module_that_is_not_there_is_said(site: Path) -> None:
    install(site, "gone", {}, {"own": "nosuch.module:View"})
    assert "plugin 'own' of gone (nosuch.module:View): loading it failed" in faults(load())


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (("own", "frozenset({'b'})"), "the name 'own' is claimed by another plugin"),
        (("else", "frozenset({'a', 'b'})"), "the family 'a' is claimed by another plugin"),
    ],
)
def test_two_that_claim_the_same_are_both_left_out(
    site: Path, other: tuple[str, str], said: str
) -> None:
    add(site, "own", projection_source("own", "frozenset({'a'})"), dist="first")
    add(site, other[0], projection_source(*other), dist="second")
    add(site, "third", projection_source("third", "frozenset({'c'})"))
    found = load()
    assert [each.name for each in found.projections] == ["third"]
    assert faults(found).count(said) == 2


@pytest.mark.parametrize(
    "key",
    [
        "keys.index('s')",
        "keys.of_family('other', 's')",
        "'elsewhere'",
        "keys.prefix",
        "keys.prefix.replace('g3:', 'g2:') + 's:own'",
    ],
)
def test_a_write_outside_its_families_is_refused(site: Path, key: str) -> None:
    body = f"return [Write('SET', key, (1,)) for key in (keys.of_family('own', 's'), {key})]"
    source = "from projections.base import Write\n" + projection_source(body=body)
    add(site, "own", source)
    (own,) = load().projections
    with pytest.raises(PluginError, match="is of none of its families"):
        own.fold([], {}, Keys("es", 0).projection(3))


def test_writes_of_its_families_pass(site: Path) -> None:
    body = "return [Write('SET', keys.of_family('own', 's', 'a:b'), (1,))]"
    source = "from projections.base import Write\n" + projection_source(body=body)
    add(site, "own", source)
    (own,) = load().projections
    keys = Keys("es", 0).projection()
    (write,) = own.fold([], {}, keys)
    assert write.key == keys.of_family("own", "s", "a:b")
    assert list(own.needs([], keys)) == []


def test_every_group_of_the_store_is_reserved() -> None:
    assert known_groups().keys() - {each.name for each in plugins().projections} <= RESERVED
    assert TICKS_GROUP in RESERVED
