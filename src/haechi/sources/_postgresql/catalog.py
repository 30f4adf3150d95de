"""What a server's catalogs say about its databases, and the statements that make one like it."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.errors import NotThere
from haechi.i18n import _
from haechi.sources._postgresql.session import Row, Session, identifier, literal

# Databases that a restore of ours has put beside another one are no data of the service.
BESIDE = "__haechi_"
BEFORE = "__before_"

_LIST = """
select datname as name, pg_database_size(oid) as size
from pg_database where datallowconn and not datistemplate order by datname
"""
_SIZES = """
select coalesce(sum(pg_database_size(oid)), 0) as size
from pg_database where datallowconn and datname = any ({names})
"""
_PROPERTIES = """
select pg_encoding_to_char(d.encoding) as encoding, d.datcollate as collate, d.datctype as ctype,
       pg_get_userbyid(d.datdba) as owner, d.datconnlimit as connections,
       shobj_description(d.oid, 'pg_database') as comment, {provider}
       (select jsonb_agg(jsonb_build_object(
                 'role', case when s.setrole <> 0 then pg_get_userbyid(s.setrole) end, 'setting', setting))
          from pg_db_role_setting s, unnest(s.setconfig) setting
         where s.setdatabase = d.oid) as settings,
       (select jsonb_agg(jsonb_build_object(
                 'role', case when a.grantee <> 0 then pg_get_userbyid(a.grantee) end,
                 'privilege', a.privilege_type, 'grantable', a.is_grantable))
          from aclexplode(d.datacl) a) as privileges
from pg_database d where d.datname = {name}
"""
# The server keeps the values of these as lists that are quoted already.
_LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
}


def choose(session: Session, wanted: str | Sequence[str], exclude: Sequence[str] = ()) -> list[str]:
    """The databases that are meant, each of which is there. Raises NotThere."""
    there = [str(row["name"]) for row in session.rows(_LIST)]
    if wanted == "all":
        return [
            name
            for name in there
            if BESIDE not in name
            and BEFORE not in name
            and not any(fnmatch.fnmatchcase(name, pattern) for pattern in exclude)
        ]
    for name in wanted:
        if name not in there:
            raise NotThere(
                _("There is no database “{name}” on the server.").format(name=name),
                hint=_("There are: {names}").format(names=", ".join(there)),
            )
    return list(wanted)


def size(session: Session, names: Sequence[str]) -> int:
    return int(session.row(_SIZES.format(names=_array(names)))["size"])


def properties(session: Session, name: str) -> Row:
    """What makes this database: encoding, collation, owner, settings, privileges."""
    provider = ""
    if session.version >= 170000:
        provider = "d.datlocprovider as provider, d.datlocale as locale, d.daticurules as rules,"
    elif session.version >= 160000:
        provider = "d.datlocprovider as provider, d.daticulocale as locale, d.daticurules as rules,"
    elif session.version >= 150000:
        provider = "d.datlocprovider as provider, d.daticulocale as locale,"
    return session.row(_PROPERTIES.format(provider=provider, name=literal(name)))


def create_database(name: str, like: Mapping[str, Any], server: int) -> str:
    """The statement that makes an empty database with these properties on a server of this version."""
    words = [f"CREATE DATABASE {identifier(name)} TEMPLATE template0"]
    if like.get("encoding"):
        words.append(f"ENCODING {literal(like['encoding'])}")
    if like.get("collate"):
        words.append(f"LC_COLLATE {literal(like['collate'])} LC_CTYPE {literal(like['ctype'])}")
    kind = {"i": "icu", "b": "builtin", "c": "libc"}.get(like.get("provider") or "", "")
    if kind and server >= 150000:
        words.append(f"LOCALE_PROVIDER {kind}")
        if kind == "icu":
            words.append(f"ICU_LOCALE {literal(like['locale'])}")
            if like.get("rules"):
                words.append(f"ICU_RULES {literal(like['rules'])}")
        elif kind == "builtin":
            words.append(f"BUILTIN_LOCALE {literal(like['locale'])}")
    return " ".join(words)


def dress_database(name: str, like: Mapping[str, Any], roles: Mapping[str, str] | None = None) -> list[str]:
    """The statements that give it its owner, settings and privileges, roles renamed as wanted."""

    def role(known: str | None) -> str:
        return identifier((roles or {}).get(known, known)) if known else "PUBLIC"

    quoted = identifier(name)
    statements = []
    if like.get("owner"):
        statements.append(f"ALTER DATABASE {quoted} OWNER TO {role(like['owner'])}")
    if like.get("comment"):
        statements.append(f"COMMENT ON DATABASE {quoted} IS {literal(like['comment'])}")
    if like.get("connections", -1) != -1:
        statements.append(f"ALTER DATABASE {quoted} CONNECTION LIMIT {int(like['connections'])}")
    for given in like.get("settings") or ():
        setting, _equals, value = given["setting"].partition("=")
        whose = f"ROLE {role(given['role'])} IN DATABASE {quoted}" if given["role"] else f"DATABASE {quoted}"
        shown = value if setting in _LISTS and value else literal(value)
        statements.append(f"ALTER {whose} SET {'.'.join(map(identifier, setting.split('.')))} TO {shown}")
    if like.get("privileges") is not None:
        statements.append(f"REVOKE ALL ON DATABASE {quoted} FROM PUBLIC")
        for given in like["privileges"]:
            option = " WITH GRANT OPTION" if given["grantable"] else ""
            statements.append(
                f"GRANT {given['privilege']} ON DATABASE {quoted} TO {role(given['role'])}{option}"
            )
    return statements


def _array(names: Sequence[str]) -> str:
    return f"array[{', '.join(map(literal, names))}]::name[]"
