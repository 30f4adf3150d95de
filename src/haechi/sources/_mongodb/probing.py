"""A look at a server: does it answer, does the password open, may the user read all that a capture reads."""

from __future__ import annotations

from haechi.errors import HaechiError
from haechi.i18n import _
from haechi.sources._base import Probe
from haechi.sources._mongodb import catalog, oplog, problems
from haechi.sources._mongodb.capture import is_whole
from haechi.sources._mongodb.options import Options
from haechi.sources._mongodb.server import Server

_MAY_RESTORE = {"restore", "root", "__system"}


def probe(server: Server, options: Options, named: str | None) -> Probe:
    """Raises what a capture would."""
    names = catalog.databases(server, options, named)
    found = catalog.namespaces(server, names, catalog.chooser(options, names))
    wanted = [n for n in found if not n.entry.is_view]
    if is_whole(options, named) if options.users is None else options.users:
        wanted += catalog.authority()
    for namespace in wanted:
        doing = _("Reading “{name}”").format(name=".".join(namespace.data))
        server.command(namespace.data[0], {"find": namespace.data[1], "limit": 1, "singleBatch": True}, doing)
    logged = server.is_replica_set if options.oplog is None else options.oplog
    if logged:
        oplog.newest(server)
    return Probe(
        version=server.version,
        size=catalog.size(server, names),
        details={"databases": names, "collections": len(found), "oplog": logged, "client": "haechi"},
        warnings=tuple(_warnings(server)),
    )


def _warnings(server: Server) -> list[str]:
    told = []
    if server.hello.get("msg") == "isdbgrid":
        told.append(
            _("This is a sharded cluster: its shards are read one after another, not as of one moment. "
              "Stop the writers during the dump, or use snapshots of the shards.")
        )  # fmt: skip
    try:
        status = server.command("admin", {"connectionStatus": 1}, _("Asking for the user's roles"))[
            "authInfo"
        ]
    except HaechiError:
        return told
    roles = {str(role["role"]) for role in status.get("authenticatedUserRoles") or ()}
    if status.get("authenticatedUsers") and not roles & _MAY_RESTORE:
        told.append(_("This user may read, but not bring back.") + " " + problems.roles_hint())
    return told
