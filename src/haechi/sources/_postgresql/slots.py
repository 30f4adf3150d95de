"""Replication slots that nobody reads from: they keep WAL until the server's disk is full."""

from __future__ import annotations

from haechi.i18n import _
from haechi.sources._postgresql.session import Session

_MUCH = 256 << 20  # bytes of WAL that a slot may keep while its reader is away
_SLOTS = """
select slot_name as name, active, {status} as status, coalesce(pg_wal_lsn_diff(case when pg_is_in_recovery()
  then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn), 0)::int8 as kept
from pg_replication_slots where not temporary order by slot_name
"""


def warnings(session: Session) -> tuple[str, ...]:
    """Each with its mend."""
    status = "wal_status" if session.version >= 130000 else "null::text"
    found = []
    for slot in session.rows(_SLOTS.format(status=status)):
        if slot["status"] == "lost":
            said = _(
                "The replication slot “{name}” has lost WAL that its reader needs: set that reader up anew, and drop "
                "the slot with: select pg_drop_replication_slot('{name}')"
            )
        elif not slot["active"] and slot["kept"] > _MUCH:
            said = _(
                "Nobody reads from the replication slot “{name}”, and it keeps {size:.1f} GB of WAL: start its "
                "reader, or drop the slot with: select pg_drop_replication_slot('{name}')"
            )
        else:
            continue
        found.append(said.format(name=slot["name"], size=slot["kept"] / 1e9))
    return tuple(found)
