"""Everything that Apprise reaches: Teams, Discord, Telegram, ntfy, PagerDuty and the rest, by one address."""

from __future__ import annotations

from haechi.credentials import SecretSource
from haechi.errors import DriverMissing, NotTold
from haechi.i18n import _
from haechi.notify._base import Message, Mood

_KINDS = {Mood.GOOD: "success", Mood.WARNING: "warning", Mood.BAD: "failure"}


class Apprise:
    def __init__(self, url: SecretSource):
        self._url = url

    def send(self, message: Message) -> None:
        try:
            import apprise
        except ImportError:
            raise DriverMissing.of("apprise", "notify") from None
        there = apprise.Apprise()
        if not there.add(self._url.fetch().reveal()):
            raise NotTold(
                _("Apprise does not understand the address."),
                hint=_("See its list of addresses: https://github.com/caronc/apprise/wiki"),
            )
        if not there.notify(body=message.as_text(), title=message.title, notify_type=_KINDS[message.mood]):
            raise NotTold(_("Apprise could not deliver it."), retryable=True)
