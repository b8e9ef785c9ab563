"""Write payloads without end and say after each that it is written; run as a program, to be killed.

    python payload_writer.py URL SEED [OPTIONS]

`OPTIONS` are those of the store's filesystem, as JSON. A payload follows from its ref, so whoever
finds a file knows what must be in it.
"""

from __future__ import annotations

import itertools
import json
import random
import sys
from typing import TYPE_CHECKING, Final

from eventstore.payload_store import EventPayload, PayloadStore
from eventstore.payloads import EncodedPayload, encode_payload
from eventstore.refs import derived_ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SESSION: Final = "killed/writer"
NEVER: Final = sys.maxsize
TOGETHER: Final = 4


def payload_of(ref: str) -> EncodedPayload:
    """Return the payload that belongs to a ref: up to 4 MiB that do not compress."""
    chance = random.Random(ref)
    size = int(2 ** chance.uniform(0, 22))
    return encode_payload(chance.randbytes(size), "bin", NEVER)


def main(url: str, seed: str, options: str = "{}") -> None:
    """Write payloads of even numbers together, odd ones under their content; print their refs."""
    store = PayloadStore(url, json.loads(options))
    for first in itertools.count(step=TOGETHER):
        refs = {n: derived_ref(seed, str(n)) for n in range(first, first + TOGETHER)}
        even = [number for number in refs if number % 2 == 0]
        items = [(ref, payload_of(ref)) for ref in (refs[number] for number in even)]
        store.write_many([EventPayload(SESSION, ref, item.info, item.data) for ref, item in items])
        say(even, refs)
        for number in set(refs) - set(even):
            item = payload_of(refs[number])
            store.write_digest(item.info, item.data)
            say([number], refs)


def say(numbers: Iterable[int], refs: Mapping[int, str]) -> None:
    """Print which payloads are written."""
    sys.stdout.writelines(f"{number} {refs[number]}\n" for number in numbers)
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
