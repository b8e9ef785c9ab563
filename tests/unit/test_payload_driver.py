"""Drivers of payloads: which classes are taken, and what is said of the others."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support.distribution import install
from support.payload_drivers import MODULE, PLACES, Duck, MyStorageDriver
from support.payloads import encoded

from eventstore import AppSettings, BaseStorageDriver
from eventstore.errors import PayloadMissing, PayloadStoreError, PluginError, SettingsError
from eventstore.payload_driver import ENTRY_POINTS, installed_drivers, load_driver
from eventstore.payload_driver_keeper import DriverKeeper
from eventstore.payload_places import payload_store_of
from eventstore.payload_store import PayloadStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

REF = "0" * 32
GOOD = "class Store:\n    def write_payload(self): ...\n    def read_payload(self): ...\n"
ITEM = encoded("text")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the module path; what it gives to import is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def add(site: Path, name: str, source: str) -> None:
    module = f"payload_module_{name}"
    install(site, f"dist-{name}", {module: source}, {name: f"{module}:Store"}, ENTRY_POINTS)


def test_a_driver_is_found_by_module_and_class() -> None:
    assert load_driver(f"{MODULE}:MyStorageDriver") is MyStorageDriver
    assert load_driver(f"{MODULE}:Duck") is Duck


def test_a_driver_is_found_by_the_name_of_its_entry_point(site: Path) -> None:
    add(site, "acme", GOOD)
    assert load_driver("acme").__name__ == "Store"
    with pytest.raises(SettingsError, match=r"no driver 's3' is installed \(installed: acme\)"):
        load_driver("s3")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nosuchmodule", "loading it failed: ModuleNotFoundError"),
        ("raise SystemExit('no')", "loading it failed: SystemExit: no"),
        ("1 / 0", "loading it failed: ZeroDivisionError"),
        ("class Other: ...", "loading it failed: AttributeError"),
        ("Store = 1", "it is int, not a class"),
        ("class Store:\n    def write_payload(self): ...", "it has no method read_payload"),
        ("class Store:\n    def read_payload(self): ...", "it has no method write_payload"),
        (
            "class Store:\n    async def write_payload(self): ...\n    read_payload = print",
            "write_payload is a coroutine",
        ),
        (
            "import eventstore as es\nclass Store(es.BaseStorageDriver):\n  write_payload = print",
            "it has no method read_payload",
        ),
    ],
)
def test_one_that_cannot_be_used_is_named_and_the_others_load(
    site: Path, source: str, said: str
) -> None:
    add(site, "broken", source)
    add(site, "sound", GOOD)
    found = installed_drivers()
    assert found.names == ("broken", "sound")
    (fault,) = found.faults
    assert fault.plugin == "broken"
    assert said in str(fault)
    assert load_driver("sound").__name__ == "Store"
    with pytest.raises(PluginError, match="plugin 'broken' of dist-broken"):
        load_driver("broken")


@pytest.mark.parametrize("name", ["nosuchmodule:Store", f"{MODULE}:Nobody", f"{MODULE}:PLACES"])
def test_a_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(PluginError, match=rf"plugin '{name}' of payloads\.driver"):
        load_driver(name)


def test_the_base_wants_both_methods_and_no_other() -> None:
    class WriteOnly(BaseStorageDriver):
        def write_payload(self, session_id, ref, payload, mime, header):  # type: ignore[no-untyped-def]
            pass

    with pytest.raises(TypeError, match="read_payload"):
        WriteOnly()  # type: ignore[abstract]
    assert isinstance(MyStorageDriver("of both"), BaseStorageDriver)


@pytest.mark.parametrize(
    "section",
    [
        {"payloads": {"driver": "m:C", "url": "memory://x"}},
        {"payloads": {"driver": "no driver"}},
        {"payloads": {"driver": "m:"}},
        {"journal": {"storage_options": {"anon": True}}},
        {"journal": {"url": "s3://user:word@host/x"}},
    ],
)
def test_unclear_combinations_are_refused(section: dict[str, dict[str, object]]) -> None:
    with pytest.raises(SettingsError):
        AppSettings(mode="test", **section)


class TestPlaces:
    """Where payloads and journal lie."""

    def store(self, **sections: object) -> PayloadStore:
        return payload_store_of(AppSettings(mode="test", **sections), "memory://default")

    def test_the_journal_lies_beside_the_payloads(self) -> None:
        store = self.store()
        assert store.url == "memory://default"
        with pytest.raises(PayloadStoreError, match="reading memory://default/journal/x"):
            read_file(store)

    def test_the_journal_may_lie_elsewhere(self) -> None:
        store = self.store(journal={"url": "memory://elsewhere"})
        assert store.url == "memory://default"
        with pytest.raises(PayloadStoreError, match="reading memory://elsewhere/journal/x"):
            read_file(store)

    @pytest.mark.parametrize(("journal", "place"), [({}, "default"), ({"url": "memory://j"}, "j")])
    def test_a_driver_keeps_payloads_alone(self, journal: dict[str, str], place: str) -> None:
        options = {"place": "payloads-alone"}
        payloads = {"driver": f"{MODULE}:MyStorageDriver", "storage_options": options}
        store = self.store(payloads=payloads, journal=journal)
        assert store.url == f"payload driver {MODULE}:MyStorageDriver"
        store.write("s", REF, ITEM.info, ITEM.data)
        assert PLACES["payloads-alone"].kept == {("s", REF, "text/plain"): b"text"}
        with pytest.raises(PayloadStoreError, match=f"reading memory://{place}/journal/x"):
            read_file(store)

    def test_a_journal_that_no_place_can_hold_is_named_by_its_own_setting(self) -> None:
        with pytest.raises(SettingsError, match=r"journal\.url: sftp:// is not known"):
            self.store(journal={"url": "sftp://x/y"})


def read_file(store: PayloadStore) -> None:
    with store.failing("reading", "journal/x"):
        store.files.get("journal/x")


def keeper_of(driver: Callable[..., object], timeout: float = 20.0) -> PayloadStore:
    keeper = DriverKeeper(driver, "mine", {}, timeout)
    return PayloadStore("memory://", keeper=keeper)


class Raising:
    """Raises what it was made to raise, in both methods."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def write_payload(self, *_: object) -> None:
        raise self.error

    def read_payload(self, *_: object) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("no"), "ValueError: no; see what the driver says"),
        (OSError(28, "No space left on device"), "No space left on device; free space"),
        (ConnectionError("gone"), "ConnectionError: gone; see what the driver says"),
        (TimeoutError(), "it timed out; see whether it is reachable"),
    ],
)
def test_what_a_driver_raises_is_a_fault_that_passes(error: Exception, said: str) -> None:
    store = keeper_of(lambda: Raising(error))
    with pytest.raises(
        PayloadStoreError, match=rf"^writing payload driver mine: s/{REF}: .*{said}"
    ):
        store.write("s", REF, ITEM.info, ITEM.data)
    with pytest.raises(PayloadStoreError, match=said):
        store.read("s", REF, ITEM.info)


@pytest.mark.parametrize("error", [KeyError("x"), FileNotFoundError("x")])
def test_what_a_driver_does_not_have_is_missing(error: Exception) -> None:
    store = keeper_of(lambda: Raising(error))
    with pytest.raises(PayloadMissing, match=f"payload driver mine: s/{REF} does not exist"):
        store.read("s", REF, ITEM.info)
    assert not store.exists("s", REF, ITEM.info)


def test_a_driver_that_gives_back_something_else_is_told_so() -> None:
    class Texts(Duck):
        def read_payload(self, session_id: str, ref: str, mime: str) -> bytes:
            return "text"  # type: ignore[return-value]

    with pytest.raises(PayloadStoreError, match="read_payload returned str, not bytes"):
        keeper_of(Texts).read("s", REF, ITEM.info)


def test_a_driver_that_cannot_be_made_is_tried_again() -> None:
    attempts: list[int] = []

    def make() -> Duck:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyError("its database is down")
        return Duck()

    store = keeper_of(make)
    with pytest.raises(PayloadStoreError, match="KeyError: 'its database is down'"):
        store.read("s", REF, ITEM.info)
    store.write("s", REF, ITEM.info, ITEM.data)
    assert store.read("s", REF, ITEM.info) == b"text"
    assert len(attempts) == 2


def test_a_driver_that_hangs_has_failed_in_time() -> None:
    place = PLACES["hangs"]
    store = keeper_of(lambda: MyStorageDriver("hangs"), timeout=0.1)
    assert store.waiting() is None
    with place.shut():
        with pytest.raises(PayloadStoreError, match=r"no answer within 0\.1 s; see whether"):
            store.write("s", REF, ITEM.info, ITEM.data)
        assert store.waiting() is None
    store.write("s", REF, ITEM.info, ITEM.data)


def test_a_driver_is_told_what_a_payload_is() -> None:
    place = PLACES["told"]
    store = keeper_of(lambda: MyStorageDriver("told"))
    store.write("s", REF, ITEM.info, ITEM.data, mime="text/markdown", header={"ref": REF, "x": 1})
    name = store.write_digest(ITEM.info, ITEM.data)
    assert name == f"payloads/sha256-{ITEM.info.sha256}.txt"
    assert set(place.kept) == {
        ("s", REF, "text/markdown"),
        ("payloads", f"sha256-{ITEM.info.sha256}.txt", "text/plain"),
    }
    own, digest = place.headers
    assert own == {"ref": REF, "x": 1}
    assert digest["payload"]["size"] == 4
    assert store.read("s", REF, ITEM.info, "text/markdown") == b"text"


def test_nothing_of_a_driver_is_counted_claimed_or_swept() -> None:
    store = keeper_of(Duck)
    store.write_digest(ITEM.info, ITEM.data)
    store.claim("a" * 32)
    assert store.usage() == (None, None)
    assert store.claimants() == set()
    assert store.digests(0) == []
    assert store.delete_leftovers(0) == 0
