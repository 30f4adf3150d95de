"""The page of a whole stack's drill: what came back, what it fits together with, and what it had to wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape
from typing import Any

from haechi.documents import timeline
from haechi.i18n import _, again
from haechi.schedule import say_duration
from haechi.schedule.duration import spoken
from haechi.sources import _saying


def inner(body: Mapping[str, Any], zone: tzinfo | None) -> str:
    """What stands between the page's head and its signature."""
    parts = [
        f"<p>{escape(_time(body))}</p>",
        f"<h2>{escape(_('What came back'))}</h2>{_members(body, zone)}",
        f"<h2>{escape(_('Step by step'))}</h2>{timeline.picture(body['steps'])}",
        f'<p class="muted">{escape(_("Dark: what the whole had to wait for."))} '
        f"{escape(' → '.join(_waited_for(body)))}</p>",
    ]
    if body["audit"]:
        parts.append(f"<h2>{escape(_('References between them'))}</h2>{_audit(body['audit'])}")
    for tried in body["trials"]:
        parts.append(f"<h2>{escape(_('The application and the checks'))}</h2>{_trial(tried)}")
    if left := body.get("not_done"):
        lines = "".join(f"<li>{escape(one['what'])}: {escape(one['why'])}</li>" for one in left)
        parts.append(f"<h2>{escape(_('Not done in a drill'))}</h2><ul>{lines}</ul>")
    if body["error"]:
        parts.append(f"<h2>{escape(_('Why'))}</h2><p>{escape(body['error']['message'])}</p>")
    gone = _("Everything was taken down again, and that was looked at.")
    if body["left"]:
        gone = _("Could not be taken away again: {name}").format(name=", ".join(body["left"]))
    parts.append(f"<p>{escape(gone)}</p>")
    return "".join(parts)


def _waited_for(body: Mapping[str, Any]) -> list[str]:
    made_of = {step["title"]: step.get("made_of") for step in body["steps"]}
    return [again(title, made_of.get(title)) for title in body["critical_path"]]


def _time(body: Mapping[str, Any]) -> str:
    said = _("It served after {time}").format(time=spoken(body["seconds"]))
    if body["rto_promised"]:
        promised = say_duration(timedelta(seconds=body["rto_promised"]))
        said += " " + _("(RTO promised: {promised})").format(promised=promised)
    return said + ". " + _("With taking it down again: {time}.").format(time=spoken(body["whole_seconds"]))


def _members(body: Mapping[str, Any], zone: tzinfo | None) -> str:
    rows = []
    for one in body["members"]:
        state_of = datetime.fromisoformat(one["state_of"]).astimezone(zone)
        result = _("came back as it was saved") if one["good"] else _why(one)
        took = "-" if one["restore_seconds"] is None else spoken(one["restore_seconds"])
        rows.append(
            (
                not one["good"],
                [
                    one["service"],
                    one["point"],
                    state_of.strftime("%Y-%m-%d %H:%M:%S %Z"),
                    one["copy"],
                    one["where"] or "-",
                    took,
                    result,
                ],
            )
        )
    head = [
        _("service"),
        _("restore point"),
        _("state of"),
        _("read from"),
        _("came back in"),
        _("took"),
        _("result"),
    ]
    return _table(head, rows)


def _why(one: Mapping[str, Any]) -> str:
    if one["error"]:
        return str(one["error"]["message"])
    if one["waited_for"]:
        return _("{service}: not tried, because {other} did not come back").format(
            service=one["service"], other=one["waited_for"]
        )
    what = ", ".join(_saying.name(str(c["what"])) for c in one["different"])
    return _("{service}: not what was saved: {what}").format(service=one["service"], what=what)


def _audit(found: Sequence[Mapping[str, Any]]) -> str:
    head = [_("reference"), _("into"), _("checked"), _("dangling"), ""]
    return _table(
        head,
        [
            (
                bool(one["dangling"]),
                [
                    f"{one['of']}: {one['reference']}",
                    one["exists_in"],
                    str(one["checked"]),
                    str(one["dangling"]),
                    ", ".join(one["values"]),
                ],
            )
            for one in found
        ],
    )


def _trial(tried: Mapping[str, Any]) -> str:
    where = (
        _("in a network of its own")
        if tried["apart"]
        else _("in this host's own network: nothing kept it from what is in use")
    )
    rows = [
        (not one["equal"], [str(one["what"]), str(one["saved"]), str(one["found"])])
        for one in tried["answers"]
    ]
    said = f"<p>{escape(_('Asked {where}.').format(where=where))}</p>"
    if tried["error"]:
        said += f"<p>{escape(tried['error']['message'])}</p><pre>{escape(tried['error']['detail'])}</pre>"
    return said + (_table([_("what"), _("expected"), _("found")], rows) if rows else "")


def _table(head: Sequence[str], rows: Sequence[tuple[bool, Sequence[str]]]) -> str:
    """Rows, each with whether it is not as it should be."""
    top = "".join(f"<th>{escape(word)}</th>" for word in head)
    lines = "".join(
        f"<tr{' class=differs' if bad else ''}>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for bad, cells in rows
    )
    return f"<table><tr>{top}</tr>{lines}</table>"
