"""A key that survives paper and tired hands."""

from __future__ import annotations

import random

import pytest

from haechi.credentials import Secret
from haechi.errors import UsageMistake
from haechi.testing.memory_store import MemoryStore
from haechi.vault import keys, recovery_key
from haechi.vault.recovery_key import ALPHABET, RecoveryKey, generate, issue, parse
from haechi.vault.repository import Vault
from tests.vault_ground import new_vault

# Printed once and kept: a later version has to read the papers of an earlier one.
PAPER = "H4R2C-FM4EZ-REYRG-X3ESA-KKWD4-4S5Y9-V0WW5-Z40R9-WY7PR"


def test_a_paper_of_old_is_still_understood() -> None:
    assert parse(PAPER).printed() == PAPER


@pytest.mark.parametrize(
    "change",
    [
        str.lower,
        lambda text: text.replace("-", " "),
        lambda text: text.replace("-", ""),
        lambda text: text.replace("-", " - "),
        lambda text: f"  {text[:26]}\n{text[26:]}\n",
        lambda text: text.replace("0", "O"),
        lambda text: text.replace("0", "o").lower(),
    ],
)
def test_it_may_be_typed_in_many_ways(change: object) -> None:
    assert parse(change(PAPER)).printed() == PAPER  # type: ignore[operator]


def test_every_single_mistyped_sign_is_found_and_its_group_named() -> None:
    for at, sign in enumerate(PAPER):
        if sign == "-":
            continue
        for other in ALPHABET:
            if other != sign:
                with pytest.raises(UsageMistake) as caught:
                    parse(PAPER[:at] + other + PAPER[at + 1 :])
                assert f"group {at // 6 + 1}:" in caught.value.message


def test_signs_that_changed_places_are_found() -> None:
    groups = PAPER.split("-")
    for number, group in enumerate(groups):
        for a in range(5):
            for b in range(a + 1, 5):
                if group[a] != group[b]:
                    signs = list(group)
                    signs[a], signs[b] = signs[b], signs[a]
                    with pytest.raises(UsageMistake, match=f"group {number + 1}:"):
                        parse("-".join([*groups[:number], "".join(signs), *groups[number + 1 :]]))


def test_groups_that_changed_places_are_found() -> None:
    for a in range(recovery_key.GROUPS):
        for b in range(a + 1, recovery_key.GROUPS):
            groups = PAPER.split("-")
            groups[a], groups[b] = groups[b], groups[a]
            with pytest.raises(UsageMistake, match=f"group {a + 1}, {b + 1}:"):
                parse("-".join(groups))


def test_groups_of_two_papers_do_not_mix() -> None:
    first, second = generate().printed().split("-"), generate().printed().split("-")
    with pytest.raises(UsageMistake, match="belong together"):
        parse("-".join([*first[:4], *second[4:]]))


@pytest.mark.parametrize("typed", ["", "H4R2C", PAPER[:-6], PAPER + "-00000", "한글", PAPER[:-1]])
def test_too_little_or_too_much_is_said_so(typed: str) -> None:
    with pytest.raises(UsageMistake) as caught:
        parse(typed)
    assert caught.value.hint


def test_keys_differ_and_hide_themselves() -> None:
    made = {generate().printed() for _key in range(200)}
    assert len(made) == 200
    key = generate()
    assert key.printed() not in repr(key) + str(key) + repr(key.secret)


def test_random_noise_is_never_taken_for_a_key() -> None:
    chance = random.Random(1)
    for _try in range(300):
        noise = "-".join("".join(chance.choices(ALPHABET, k=5)) for _group in range(9))
        with pytest.raises(UsageMistake):
            parse(noise)


def test_it_opens_the_vault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_N", 16)
    store = MemoryStore()
    vault = new_vault(store)
    keys.add(store, vault.key, Secret("everyday"))
    key, file = issue(vault)
    opened = Vault.open(store, parse(key.printed().lower()).secret)
    assert opened.id == vault.id and opened.key_id == file.id
    assert isinstance(key, RecoveryKey)
