"""Questions are asked only where somebody can answer, and a destructive step wants a typed word."""

from __future__ import annotations

import io
import json

import pytest

from haechi import i18n
from haechi.cli.screen import Screen
from haechi.errors import NotConfirmed, UsageMistake


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> Screen:
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    return Screen(out=Terminal(), err=Terminal())


def said(view: Screen) -> str:
    assert isinstance(view.err, io.StringIO)
    return view.err.getvalue()


def test_the_word_must_be_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    view = at_terminal(monkeypatch, "shop\n")
    view.confirm("shop will be replaced.", "shop")
    assert "shop will be replaced." in said(view)
    for typed in ("yes\n", "\n", "", "SHOP\n"):
        with pytest.raises(NotConfirmed):
            at_terminal(monkeypatch, typed).confirm("shop will be replaced.", "shop")


@pytest.mark.parametrize(
    ("typed", "result"),
    [
        ("yes\n-\n", "done"), ("Y\nall well\n", "done"), ("예\n\n", "done"), ("네\n\n", "done"),
        ("no\n\n", "failed"), ("n\n\n", "failed"), ("아니요\n\n", "failed"),
        ("later\n", None), ("\n", None), ("나중에\n", None), ("what?\nyes\n\n", "done"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("language", i18n.LANGUAGES)
def test_a_checklist_is_answered_in_either_language(
    monkeypatch: pytest.MonkeyPatch, typed: str, result: str | None, language: str
) -> None:
    from haechi.cli.commands import checklist
    from haechi.operations.checklist import Line

    i18n.use(language)
    view = at_terminal(monkeypatch, typed)
    answer = checklist._ask(view, Line("The logs are read", show=("haechi journal list",)), "kim")
    assert (answer.result.value if answer else None) == result
    asked = said(view)
    assert asked.startswith("The logs are read\n  $ haechi journal list\n  ")
    assert asked.count("The logs are read") == 1
    assert not answer or answer.note == ("all well" if "well" in typed else "")


def test_nobody_is_asked_where_nobody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("shop\n"))
    view = Screen(out=io.StringIO(), err=io.StringIO())
    with pytest.raises(NotConfirmed) as caught:
        view.confirm("shop will be replaced.", "shop")
    assert "--yes" in caught.value.hint
    view.yes = True
    view.confirm("shop will be replaced.", "shop")
    assert said(view) == ""
    assert view.ask("Which?", "this") == "this"
    with pytest.raises(UsageMistake):
        view.ask("Which?")


def test_a_question_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert at_terminal(monkeypatch, "\n").ask("Which?", "this") == "this"
    assert at_terminal(monkeypatch, "that\n").ask("Which?", "this") == "that"


def test_an_answer_is_text_or_json() -> None:
    for as_json, expected in ((False, "three\n"), (True, '{\n  "count": 3\n}\n')):
        view = Screen(out=(out := io.StringIO()), err=(err := io.StringIO()))
        view.json = as_json
        view.show("on the way")
        view.answer({"count": 3}, text=lambda: "three")
        view.note("done")
        assert out.getvalue() == ("" if as_json else "on the way\n") + expected
        assert err.getvalue() == ('{"event": "note", "text": "done"}\n' if as_json else "done\n")


def test_quiet_keeps_warnings() -> None:
    view = Screen(out=io.StringIO(), err=io.StringIO())
    view.quiet = True
    view.note("nothing")
    with view.progress() as reporter, reporter.step("reading"):
        reporter.note("nothing")
        reporter.warn("careful")
    assert said(view) == "Warning: careful\n"


def test_a_stream_that_cannot_hold_korean_gets_what_it_can() -> None:
    raw = io.BytesIO()
    view = Screen(out=io.TextIOWrapper(raw, encoding="ascii"))
    view.answer({"말": 1}, text="금고 open")
    assert raw.getvalue() == b"?? open\n"


@pytest.mark.parametrize(
    ("flag", "plan", "expected"),
    [((), "ko", "ko"), (("--lang=en",), "ko", "en"), (("--lang", "ko"), "en", "ko")],
)
def test_a_flag_is_stronger_than_the_plan(
    flag: tuple[str, ...], plan: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HAECHI_LANG")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    view = Screen.for_arguments(flag)
    i18n.follow(plan)
    view.show_times("Asia/Seoul")
    assert i18n.language() == expected
    assert str(view.zone) == "Asia/Seoul"


def test_no_color_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert Screen.for_arguments([]).color is False
    monkeypatch.delenv("NO_COLOR")
    assert Screen.for_arguments(["--no-color"]).color is False
    assert Screen.for_arguments([]).color is None


def test_errors_are_red_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    view = at_terminal(monkeypatch, "")
    view.fail(NotConfirmed("No."))
    assert "\033[31;1m" in said(view)
    view = Screen(err=io.StringIO())
    view.fail(NotConfirmed("No."))
    assert said(view) == "Error: No.\n"
    view = Screen(out=(out := io.StringIO()), err=io.StringIO())
    view.json = True
    view.fail(NotConfirmed("No."))
    assert json.loads(out.getvalue())["error"]["code"] == "not-confirmed"
