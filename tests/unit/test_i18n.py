"""Two languages: which one is spoken, and Korean that reads as if a person had written it."""

from __future__ import annotations

import copy
import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from haechi import i18n
from haechi.credentials import Secret


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "HAECHI_LANG": "ko"}, "ko"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LC_MESSAGES": "ko"}, "ko"),
    ],
)
def test_the_environment_chooses(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HAECHI_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert i18n.from_environment() == expected


def test_messages_are_looked_up_when_they_are_made() -> None:
    assert i18n._("Usage:") == "Usage:"
    i18n.use("ko")
    assert i18n._("Usage:") == "사용법:"
    assert i18n.plural("{count} day ago", "{count} days ago", 3) == "3일 전"
    assert i18n._("") == ""
    i18n.use("tlh")
    assert (i18n.language(), i18n._("Usage:")) == ("en", "Usage:")


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("“{name}”을(를) 읽습니다.", "문서", "“문서”를 읽습니다."),
        ("“{name}”을(를) 읽습니다.", "금융", "“금융”을 읽습니다."),
        ("{name}이(가) 없습니다.", "보관소", "보관소가 없습니다."),
        ("{name}(으)로 시작", "서울", "서울로 시작"),
        ("{name}(으)로 시작", "부산", "부산으로 시작"),
        ("{name}은(는) 3", "17", "17은 3"),
        ("{name}과(와)", "복구 지점 (2025)", "복구 지점 (2025)와"),
        ("{name}이(가) 없습니다.", "postgres", "postgres이(가) 없습니다."),
    ],
)
def test_korean_particles_fit_the_word(text: str, name: str, expected: str) -> None:
    assert i18n._Korean(text).format(name=name) == expected


def test_korean_uses_the_words_of_the_house() -> None:
    """One word for one thing, as in docs/design/words.md: who reads 복원 지점 looks for something else."""
    po = Path(i18n.__file__).parent / "locale" / "ko" / "LC_MESSAGES" / "haechi.po"
    said = [line for line in po.read_text("utf-8").splitlines() if not line.startswith("#")]
    for other, ours in {
        "복원 지점": "복구 지점",
        "볼트": "금고",
        "아카이브": "보관소",
        "플랜": "계획",
    }.items():
        assert [line for line in said if other in line] == [], ours


def test_a_sentence_can_be_said_again_in_another_language() -> None:
    i18n.use("ko")
    korean = i18n._("{title}: failed after {time}").format(title=i18n._("Usage:"), time=3)
    kept = json.loads(json.dumps(i18n.recipe(korean)))
    i18n.use("en")
    assert i18n.again(str(korean), kept) == "Usage:: failed after 3"
    i18n.use("ko")
    assert i18n.again("Usage:: failed after 3", kept) == korean
    assert pickle.loads(pickle.dumps(korean)) == korean
    assert type(copy.deepcopy(korean)) is str, "on its way it is a string like any other"


@pytest.mark.parametrize(
    "made_of",
    [
        None,
        {},
        {"message": "Gone since: {name}", "named": {"name": "x"}},  # no longer in the catalogue
        {"message": "{title}: failed after {time}", "named": {"title": "x"}},
        {"message": "{title}: failed after {time}"},
    ],
)
def test_what_cannot_be_said_again_stays_as_it_was(made_of: dict[str, object] | None) -> None:
    i18n.use("ko")
    assert i18n.again("as it was", made_of) == "as it was"


def test_several_and_many_can_be_said_again_wherever_they_went() -> None:
    days = i18n.plural("{count} day ago", "{count} days ago", 3)
    whole = i18n._("{title}: failed after {time}").format(title=i18n.joined("; ", ("shop", days)), time=3)
    there = i18n.remade(str(whole), json.loads(json.dumps(i18n.recipe(whole))))
    assert there == "shop; 3 days ago: failed after 3"
    for sentence in (whole, there, i18n.anew(there), i18n.joined("", (there,))):
        with i18n.speaking("ko"):
            assert i18n.anew(sentence).startswith("shop; 3일 전: ")
        assert i18n.anew(sentence) == there


def test_another_language_for_a_while_is_that_thread_s_alone() -> None:
    with i18n.speaking("ko"):
        assert (i18n.language(), i18n._("Usage:")) == ("ko", "사용법:")
        with ThreadPoolExecutor() as pool:
            assert pool.submit(i18n._, "Usage:").result() == "Usage:"
        with i18n.speaking(None):
            assert i18n.language() == "ko"
    assert i18n.language() == "en"


def test_what_was_made_of_no_message_has_no_recipe() -> None:
    assert i18n.recipe("shop.dump") == {}
    assert i18n.recipe(i18n._("Usage:")) == {"message": "Usage:", "named": {}}
    assert "secret" not in str(i18n.recipe(i18n._("Usage: {x}").format(x=Secret("secret"))))
