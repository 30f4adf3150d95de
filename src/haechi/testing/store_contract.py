"""What every store has to do: the suite that holds ours to it, and that `haechi vault try URL` runs on yours.

Each case works on objects of its own, named as a vault names its packs, and takes them away again where the
storage lets it. A case ends well, or raises ContractBroken with what it saw, or NotOffered where the storage
cannot do a thing that vaults can live without.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256

from haechi import clock
from haechi.errors import AlreadyThere, HaechiError, NotThere, StoreRefused, StoreUnavailable, UsageMistake
from haechi.i18n import _
from haechi.stores._base import Buffer, Store

_MIB = 1 << 20
_THREADS = 8


class ContractBroken(AssertionError):
    """The storage did something else than a store must."""


class NotOffered(Exception):
    """The storage cannot do this, and says so."""


class Trial:
    """The store under trial, and what was put into it."""

    def __init__(self, store: Store):
        self.store = store
        self.made: set[str] = set()

    def fresh(self, size: int) -> tuple[str, bytes]:
        """New random bytes, and the key that a vault would keep them under."""
        data = os.urandom(size)
        return self.key_of(data), data

    def key_of(self, data: bytes) -> str:
        name = sha256(data).hexdigest()
        key = f"data/{name[:2]}/{name}"
        self.made.add(key)
        return key

    def stored(self, size: int) -> tuple[str, bytes]:
        key, data = self.fresh(size)
        self.store.put(key, data)
        return key, data

    def tidy(self) -> None:
        with ThreadPoolExecutor(_THREADS) as pool:
            for _done in pool.map(self._remove, sorted(self.made)):
                pass

    def _remove(self, key: str) -> None:
        with suppress(HaechiError):
            self.store.delete(key)


@dataclass(frozen=True)
class Case:
    name: str
    run: Callable[[Trial], None]


@dataclass(frozen=True)
class Result:
    """`verdict` is "passed", "not-offered" or "failed"."""

    name: str
    verdict: str
    reason: str
    seconds: float


CASES: list[Case] = []


def try_store(store: Store, cases: Iterable[Case] | None = None) -> Iterator[Result]:
    """Run the suite, case by case. Raises StoreUnavailable when nothing answers from the beginning."""
    answered = False
    for case in CASES if cases is None else cases:
        trial = Trial(store)
        began = clock.monotonic()
        verdict, reason = "passed", ""
        try:
            case.run(trial)
        except NotOffered as problem:
            verdict, reason = "not-offered", str(problem)
        except (ContractBroken, HaechiError) as problem:
            if isinstance(problem, StoreUnavailable) and not answered:
                raise
            verdict, reason = "failed", str(problem)
        except BaseException:  # Ctrl-C, above all
            trial.tidy()
            raise
        answered = True
        trial.tidy()
        yield Result(case.name, verdict, reason, clock.monotonic() - began)


def expect(fine: bool, otherwise: str) -> None:
    if not fine:
        raise ContractBroken(otherwise)


def expect_missing(what: Callable[[], object]) -> None:
    try:
        what()
    except NotThere:
        return
    raise ContractBroken(_("An object that does not exist was not reported as missing."))


@contextmanager
def _refusal_is_fine(reason: str) -> Iterator[None]:
    """A refusal inside means that the storage does not offer this."""
    try:
        yield
    except StoreRefused as problem:
        raise NotOffered(reason) from problem


def _case(run: Callable[[Trial], None]) -> Callable[[Trial], None]:
    CASES.append(Case(run.__name__.replace("_", "-"), run))
    return run


@_case
def what_was_put_comes_back(trial: Trial) -> None:
    for size in (16, 100, 70_000, 5 * _MIB):  # none so small that chance could make it twice
        key, data = trial.stored(size)
        expect(trial.store.get(key) == data, _("{size} bytes came back changed.").format(size=size))
        expect(trial.store.stat(key).size == size, _("The size of an object is reported wrongly."))


@_case
def any_buffer_will_do(trial: Trial) -> None:
    for kind in (bytearray, memoryview):
        key, data = trial.fresh(1000)
        trial.store.put(key, kind(data))
        expect(trial.store.get(key) == data, _("{size} bytes came back changed.").format(size=len(data)))
    key, data = trial.fresh(300_000)
    trial.store.put(key, [data[:10], memoryview(data)[10:100_000], b"", bytearray(data[100_000:])])
    expect(trial.store.get(key) == data, _("{size} bytes came back changed.").format(size=len(data)))


@_case
def an_empty_object_is_an_object(trial: Trial) -> None:
    key = trial.key_of(b"")
    with suppress(AlreadyThere):  # every empty object bears the same name
        trial.store.put(key, b"")
    expect(trial.store.get(key) == b"", _("An empty object came back with something in it."))
    expect(trial.store.stat(key).size == 0, _("The size of an object is reported wrongly."))


@_case
def ranges_are_exact(trial: Trial) -> None:
    key, data = trial.stored(100_000)
    size = len(data)
    for offset, length in [(0, 1), (0, size), (5, 10), (size - 1, 1), (size - 3, 10), (0, size + 1), (7, 0)]:
        got = trial.store.get(key, offset, length)
        expect(
            got == data[offset : offset + length],
            _("Bytes {offset} to {end} came back wrong.").format(offset=offset, end=offset + length),
        )
    expect(trial.store.get(key, 99_990) == data[99_990:], _("The end of an object came back wrong."))
    for offset in (size, size + 5):
        expect(
            trial.store.get(key, offset) == trial.store.get(key, offset, 4) == b"",
            _("Something came from behind the end."),
        )


@_case
def missing_is_said_to_be_missing(trial: Trial) -> None:
    key, _data = trial.fresh(10)
    expect_missing(lambda: trial.store.get(key))
    expect_missing(lambda: trial.store.get(key, 3, 4))
    expect_missing(lambda: trial.store.get(key, 3, 0))
    expect_missing(lambda: trial.store.stat(key))
    expect(list(trial.store.list(key)) == [], _("An object that does not exist is listed."))


@_case
def what_exists_is_not_replaced_by_accident(trial: Trial) -> None:
    key, data = trial.stored(1000)
    other: list[Buffer | Iterable[Buffer]] = [os.urandom(1000), iter([os.urandom(500), os.urandom(500)])]
    for attempt in other:
        try:
            trial.store.put(key, attempt)
        except (AlreadyThere, StoreRefused):
            pass
        else:
            raise ContractBroken(_("An object was replaced though nobody asked for that."))
    expect(trial.store.get(key) == data, _("A refused upload changed the object."))


@_case
def replacing_replaces(trial: Trial) -> None:
    key, _data = trial.stored(5000)
    for new in (os.urandom(5000), os.urandom(10), os.urandom(9000)):
        with _refusal_is_fine(_("Objects cannot be replaced there.")):
            trial.store.put(key, new, replace=True)
        expect(trial.store.get(key) == new, _("An old object was still there after it was replaced."))
        expect(trial.store.stat(key).size == len(new), _("The size of an object is reported wrongly."))


@_case
def deleting_deletes_and_twice_is_no_error(trial: Trial) -> None:
    key, data = trial.stored(100)
    with _refusal_is_fine(_("Objects cannot be deleted there.")):
        trial.store.delete(key)
    expect_missing(lambda: trial.store.get(key))
    expect(not list(trial.store.list(key)), _("An object that does not exist is listed."))
    trial.store.delete(key)
    trial.store.put(key, data)
    expect(trial.store.get(key) == data, _("A key could not be used again after it was deleted."))


@_case
def listing_is_complete_and_exact(trial: Trial) -> None:
    made = dict(trial.stored(size) for size in range(20, 31))
    for prefix in ("", "data/"):
        sizes = {entry.key: entry.size for entry in trial.store.list(prefix)}
        for key, data in made.items():
            expect(sizes.get(key) == len(data), _("{key} is missing from the listing.").format(key=key))
    key = next(iter(made))
    for prefix in (key[:8], key[:20], key):
        listed = [entry.key for entry in trial.store.list(prefix)]
        expect(key in listed, _("{key} is missing from the listing.").format(key=key))
        expect(
            all(one.startswith(prefix) for one in listed), _("A listing gave keys that were not asked for.")
        )
        expect(len(listed) == len(set(listed)), _("A listing gave a key twice."))
    expect(not list(trial.store.list("data/no-such/")), _("An object that does not exist is listed."))


@_case
def long_streams_go_up_in_pieces(trial: Trial) -> None:
    pieces = [os.urandom(size) for size in (1, _MIB, 0, 3 * _MIB, 33 * _MIB, 7)]
    key = trial.key_of(b"".join(pieces))
    trial.store.put(key, iter(pieces))
    expect(trial.store.stat(key).size == sum(map(len, pieces)), _("A stream was not stored whole."))
    expect(sha256(trial.store.get(key)).hexdigest() in key, _("A stream came back changed."))


@_case
def a_stream_that_breaks_leaves_nothing(trial: Trial) -> None:
    class SourceBroke(Exception):
        pass

    def broken(pieces: int) -> Iterator[bytes]:
        for _number in range(pieces):
            yield os.urandom(_MIB)
        raise SourceBroke

    for pieces in (0, 1, 40):
        key, _data = trial.fresh(16)
        try:
            trial.store.put(key, broken(pieces))
        except SourceBroke:
            expect_missing(lambda key=key: trial.store.stat(key))  # type: ignore[misc]
        else:
            raise ContractBroken(_("A stream that broke was stored as if it were whole."))


@_case
def nobody_sees_half_an_object(trial: Trial) -> None:
    pieces = [os.urandom(256 << 10) for _number in range(24)]
    whole = b"".join(pieces)
    key = trial.key_of(whole)
    done = threading.Event()
    seen: list[int] = []

    def look() -> None:
        while not done.is_set():
            with suppress(NotThere):
                seen.append(trial.store.stat(key).size)
                seen.append(len(trial.store.get(key)))

    def slowly() -> Iterator[bytes]:
        for piece in pieces:
            clock.sleep(0.01)
            yield piece

    looker = threading.Thread(target=look)
    looker.start()
    try:
        trial.store.put(key, slowly())
    finally:
        done.set()
        looker.join()
    expect(trial.store.get(key) == whole, _("A stream came back changed."))
    if not set(seen) <= {len(whole)}:
        # A vault can live with it: it names a file in its index only after the file is whole.
        raise NotOffered(_("A part of an object can be seen while it is uploaded."))


@_case
def duplicates_stand_alone(trial: Trial) -> None:
    key, data = trial.stored(10_000)
    new, _other = trial.stored(20)
    with _refusal_is_fine(_("Objects cannot be copied there.")):
        trial.store.duplicate(key, new)
    expect(trial.store.get(new) == data, _("A duplicate differs."))
    trial.store.duplicate(key, new)  # once more, onto itself
    trial.store.delete(key)
    expect(trial.store.get(new) == data, _("A duplicate went with its original."))
    expect_missing(lambda: trial.store.duplicate(key, new))


@_case
def odd_names_are_kept(trial: Trial) -> None:
    names = [
        "ledger/해치 1 월.sql.gz",
        "a b+c%20#?&=~!'()*;:@,$[]{}^`|",
        "x/.hidden",
        "x/y.tmp",
        "Case",
        "case",
    ]
    for name in names:
        trial.made.add(name)
        with _refusal_is_fine(_("Only the names of a vault are allowed there.")):
            trial.store.put(name, name.encode(), replace=True)
    listed = {entry.key for entry in trial.store.list()}
    for name in names:
        expect(name in listed, _("{key} is missing from the listing.").format(key=name))
        expect(
            trial.store.get(name) == name.encode(),
            _("The object “{key}” came back changed.").format(key=name),
        )


@_case
def keys_cannot_lead_out(trial: Trial) -> None:
    for key in ("../out", "a/../../out", "/etc/haechi-out", "a//b", "", "a/./b"):
        for call in (trial.store.get, trial.store.stat, trial.store.delete):
            try:
                call(key)
            except UsageMistake:
                continue
            raise ContractBroken(_("The key “{key}” was not refused.").format(key=key))


@_case
def many_threads_at_once(trial: Trial) -> None:
    def work(number: int) -> bool:
        key, data = trial.stored(50_000 + number)
        return trial.store.get(key) == data and trial.store.get(key, 10, 10) == data[10:20]

    with ThreadPoolExecutor(_THREADS) as pool:
        expect(all(pool.map(work, range(48))), _("Objects were mixed up between threads."))


@_case
def of_two_creators_one_wins(trial: Trial) -> None:
    key, _data = trial.fresh(10)
    offers = [bytes([number]) * 5000 for number in range(_THREADS)]
    gate = threading.Barrier(_THREADS)

    def create(offer: bytes) -> bytes | None:
        gate.wait()
        try:
            trial.store.put(key, offer)
        except (AlreadyThere, StoreRefused):
            return None
        return offer

    with ThreadPoolExecutor(_THREADS) as pool:
        winners = [offer for offer in pool.map(create, offers) if offer]
    if not winners:  # rest-server digests what it is given
        expect_missing(lambda: trial.store.get(key))
        raise NotOffered(_("It takes only what bears its own digest as its name."))
    expect(trial.store.get(key) in winners, _("Two writers of one key mixed their bytes."))
    if len(winners) > 1:
        raise NotOffered(_("It cannot tell two that create the same object at the same moment apart."))


@_case
def long_listings_are_paged(trial: Trial) -> None:
    with ThreadPoolExecutor(_THREADS) as pool:
        made = dict(pool.map(lambda _number: trial.stored(8), range(1100)))
    listed = [entry.key for entry in trial.store.list("data/")]
    expect(len(listed) == len(set(listed)), _("A listing gave a key twice."))
    missing = made.keys() - set(listed)
    expect(not missing, _("{count} objects are missing from a long listing.").format(count=len(missing)))
