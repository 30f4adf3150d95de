"""A signed report as one page of HTML that needs nothing else: for an auditor, a printer, an archive of paper."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from html import escape
from typing import Any

from haechi.documents import stack, timeline
from haechi.i18n import N_, _, language
from haechi.model import Report
from haechi.schedule import say_duration
from haechi.schedule.duration import spoken
from haechi.sources import _saying

GOING = {
    "better": N_("getting faster"),
    "steady": N_("steady"),
    "worse": N_("getting slower"),
}
SEALS = {
    "ours": N_("signed by this installation and unchanged"),
    "foreign": N_("unchanged, signed by another installation"),
    "broken": N_("CHANGED AFTER IT WAS SIGNED"),
}
_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.55 "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", system-ui, sans-serif;
       max-width: 60rem; margin: 2.5rem auto; padding: 0 1.5rem; color: #1d2530; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.verdict { display: inline-block; padding: .15rem .7rem; border-radius: 1rem; font-weight: 600; color: #fff; }
.good { background: #1a7f4b; } .bad { background: #b3261e; }
.muted { color: #5b6675; } .bad-seal { color: #b3261e; font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid #e3e7ec; vertical-align: top;
         overflow-wrap: anywhere; }
th { font-weight: 600; width: 14rem; } tr.differs td { color: #b3261e; font-weight: 600; }
code { font-family: ui-monospace, "D2Coding", monospace; font-size: .85em; overflow-wrap: anywhere; }
footer { margin-top: 2.5rem; font-size: .85rem; } @media print { body { margin: 0; } }
"""


def page(report: Report, seal: str, zone: tzinfo | None) -> str:
    """The whole page, in the language that is in use."""
    body: dict[str, Any] = json.loads(report.body)
    inner = _inner(report.kind, body, zone)
    title = _title(report)
    return (
        f'<!doctype html>\n<html lang="{language()}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="muted">{escape(_moment(report, zone))} · {escape(report.host)}</p>{inner}'
        f"<footer>{_signature(report, seal)}</footer></body></html>\n"
    )


def _inner(kind: str, body: Mapping[str, Any], zone: tzinfo | None) -> str:
    if kind == "set-drill":
        good = _verdict(body["passed"], _("all of it came back and fits together"), _("failed"))
        return good + stack.inner(body, zone)
    return _drill(body, zone) if kind == "drill" else _checklist(body)


def _title(report: Report) -> str:
    if report.kind == "set-drill":
        return _("Drill of the whole stack: {name}").format(name=report.subject)
    if report.kind == "drill":
        return _("Restore drill: {service}").format(service=report.subject)
    return _("Checklist: {name}").format(name=report.subject)


def _moment(report: Report, zone: tzinfo | None) -> str:
    return report.time.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def _drill(body: Mapping[str, Any], zone: tzinfo | None) -> str:
    state_of = datetime.fromisoformat(body["state_of"]).astimezone(zone)
    rows = [
        (_("restore point"), f"<code>{escape(body['point'])}</code>"),
        (_("state of"), escape(state_of.strftime("%Y-%m-%d %H:%M:%S %Z"))),
        (_("read from"), escape(body["copy"])),
        *_chosen(body.get("picked")),
        (_("came back in"), escape(body["where"] or "-")),
        (_("restore took"), _took(body)),
        (_("with making the place and taking it down"), escape(spoken(body["seconds"]))),
    ]
    if said := _earlier(body.get("earlier") or {}):
        rows.append((_("restores over 90 days"), said))
    parts = [_verdict(body["passed"], _("came back as it was saved"), _("failed")), _table(rows)]
    if body.get("error"):
        parts.append(f"<h2>{escape(_('Why'))}</h2><p>{escape(body['error']['message'])}</p>")
    if body["left"]:
        names = ", ".join(map(str, body["left"]))
        parts.append(f"<p>{escape(_('Could not be taken away again: {name}').format(name=names))}</p>")
    parts.append(f"<h2>{escape(_('Step by step'))}</h2>{timeline.picture(body['steps'])}")
    parts.append(f"<h2>{escape(_('What was compared'))}</h2>{_compared(body['compared'])}")
    return "".join(parts)


def _chosen(picked: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not picked or picked["by"] != "chance":
        return []
    said = _("by chance of {points} points, from one of {copies}; the seed was {seed}").format(
        points=picked["points"], copies=", ".join(picked["copies"]), seed=picked["seed"]
    )
    return [(_("chosen"), escape(said))]


def _took(body: Mapping[str, Any]) -> str:
    if body["restore_seconds"] is None:
        return "-"
    said = spoken(body["restore_seconds"])
    if body.get("rto_promised"):
        promised = say_duration(timedelta(seconds=body["rto_promised"]))
        said += " " + _("(RTO promised: {promised})").format(promised=promised)
    return escape(said)


def _earlier(found: Mapping[str, Any]) -> str:
    """Each in its turn, and where it is going."""
    seconds = [spoken(value) for value in found.get("seconds", ()) if value is not None]
    if len(seconds) < 2:
        return ""
    word = _(GOING[found["going"]]) if found.get("going") else ""
    return escape(", ".join(seconds) + (f" — {word}" if word else ""))


def _compared(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return f"<p>{escape(_('Nothing was counted when it was saved, so nothing was compared.'))}</p>"
    head = "".join(f"<th>{escape(word)}</th>" for word in (_("what"), _("saved"), _("came back")))
    rows = "".join(
        f"<tr{'' if one['equal'] else ' class=differs'}><td>{escape(_saying.name(str(one['what'])))}</td>"
        f"<td>{escape(_short(one['saved']))}</td><td>{escape(_short(one['found']))}</td></tr>"
        for one in sorted(found, key=lambda one: bool(one["equal"]))
    )
    return f"<table><tr>{head}</tr>{rows}</table>"


def _checklist(body: Mapping[str, Any]) -> str:
    words = {"done": _("done"), "failed": _("not in order"), "open": _("left open")}
    head = "".join(f"<th>{escape(word)}</th>" for word in (_("item"), _("result"), _("by"), _("note")))
    rows = "".join(
        f"<tr{'' if one['result'] == 'done' else ' class=differs'}><td>{escape(one['item'])}</td>"
        f"<td>{escape(words[one['result']])}</td><td>{escape(one['by'])}</td><td>{escape(one['note'])}</td></tr>"
        for one in body["items"]
    )
    verdict = _verdict(body["complete"], _("complete and in order"), _("not complete"))
    who = _("gone through by {name}").format(name=body["by"])
    return f'{verdict}<p class="muted">{escape(who)}</p><table><tr>{head}</tr>{rows}</table>'


def _verdict(good: bool, yes: str, no: str) -> str:
    return f'<p><span class="verdict {"good" if good else "bad"}">{escape(yes if good else no)}</span></p>'


def _table(rows: Sequence[tuple[str, str]]) -> str:
    """Values are markup already."""
    return f"<table>{''.join(f'<tr><th>{escape(name)}</th><td>{value}</td></tr>' for name, value in rows)}</table>"


def _short(value: object) -> str:
    text = _saying.value(value)
    return text if len(text) <= 200 else text[:200] + " …"


def _signature(report: Report, seal: str) -> str:
    style = "bad-seal" if seal == "broken" else "muted"
    return (
        f'<p class="{style}">{escape(_("Report"))} <code>{escape(report.id)}</code> · {escape(_(SEALS[seal]))}'
        f"<br>Ed25519 <code>{escape(report.key)}</code><br><code>{escape(report.signature)}</code></p>"
    )
