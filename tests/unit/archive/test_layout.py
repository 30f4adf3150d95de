"""Names from templates and back: the trees of the five documents, and names that mean harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.archive.layout import Layout
from haechi.errors import UsageMistake
from haechi.model import PartInfo
from tests.unit.archive.ground import NOON, SEOUL

SQL = PartInfo("shop.sql", "sql")
TAR = PartInfo("media.tar", "tar")
DUMP = PartInfo("vault.dump", "pg-custom")
BSON = PartInfo("mongo.archive", "bson-archive")


def name(template: str, part: PartInfo, *, at: datetime = NOON, tier: str = "daily", **options: str) -> str:
    layout = Layout(template, SEOUL, **options)  # type: ignore[arg-type]
    return layout.name(service="erp", part=part, tier=tier, point="p1", time=at)


@pytest.mark.parametrize(
    ("template", "part", "expected"),
    [
        # OneSquare: /backup/database and /backup/media
        ("database/db_backup_{time:%Y%m%d_%H%M%S}.sql.gz", SQL, "database/db_backup_20260128_120000.sql.gz"),
        ("media/media_backup_{time:%Y%m%d_%H%M%S}.tar.gz", TAR, "media/media_backup_20260128_120000.tar.gz"),
        # Lemon Korean: backups/
        ("postgres/{tier}/backup_{time}.sql.gz", SQL, "postgres/daily/backup_20260128_120000.sql.gz"),
        ("mongodb/{tier}/backup_{time}.archive", BSON, "mongodb/daily/backup_20260128_120000.archive"),
        # ALL-ERP: /backup
        ("postgres/erp_backup_{time}.sql.gz", SQL, "postgres/erp_backup_20260128_120000.sql.gz"),
        ("minio/{time:%Y%m%d}/{part}", TAR, "minio/20260128/media.tar"),
        (
            "milvus/{time}/{part}",
            PartInfo("etcd-snapshot.db", "bytes"),
            "milvus/20260128_120000/etcd-snapshot.db",
        ),
        (
            "gitlab/{time}_gitlab_backup.tar",
            PartInfo("x.tar", "tar"),
            "gitlab/20260128_120000_gitlab_backup.tar",
        ),
        # Vault v2.0: ./backups
        ("vault_{time}.dump", DUMP, "vault_20260128_120000.dump"),
        ("vault_schema_{time}.sql", SQL, "vault_schema_20260128_120000.sql"),
        ("db_data_{time}.tar.gz", TAR, "db_data_20260128_120000.tar.gz"),
        # Railway
        ("railway_sales_backup_{time}.sql.gz", SQL, "railway_sales_backup_20260128_120000.sql.gz"),
        # the other fields
        ("{host}/{service}/{database}_{point}.sql.zst", SQL, "/erp/shop_p1.sql.zst"),
        ("{service}/{part}_{time}.sql.gz", SQL, "erp/shop_20260128_120000.sql.gz"),
    ],
)
def test_the_documents_trees(template: str, part: PartInfo, expected: str) -> None:
    assert name(template, part).removeprefix("_") == expected


def test_times_are_those_of_the_plans_zone() -> None:
    late = datetime(2026, 1, 27, 23, 0, tzinfo=UTC)
    assert (
        name("railway_sales_backup_{time}.sql.gz", SQL, at=late)
        == "railway_sales_backup_20260128_080000.sql.gz"
    )


def test_what_gpg_made_ends_in_gpg() -> None:
    assert name("b_{time}.sql.gz", SQL, suffix=".gpg") == "b_20260128_120000.sql.gz.gpg"
    assert name("b_{time}.sql.gz.gpg", SQL, suffix=".gpg") == "b_20260128_120000.sql.gz.gpg"


def test_roles_beside_custom_dumps_stay_sql() -> None:
    assert name("{part}_{time}.dump", PartInfo("globals.sql", "sql")) == "globals_20260128_120000.sql"
    with pytest.raises(UsageMistake, match="holds another"):
        Layout("all_{time}.sql.gz", SEOUL).ending_for(DUMP)


@pytest.mark.parametrize(
    "template",
    [
        "backup.sql.gz",
        "/backup/{time}.sql.gz",
        "../{time}.sql.gz",
        "a//{time}.sql.gz",
        "{tim}.sql.gz",
        "{time.sql.gz",
        "{}_{time}.sql.gz",
        ".haechi/{time}.sql.gz",
    ],
)
def test_mistakes_are_named(template: str) -> None:
    with pytest.raises(UsageMistake) as caught:
        Layout(template, SEOUL)
    assert "{tier}" in caught.value.hint


names_of_strangers = st.text(min_size=1, max_size=20).filter(lambda s: s.isprintable() or "/" in s)


@settings(max_examples=60, deadline=None)
@given(names_of_strangers, names_of_strangers, st.integers(1, 3))
def test_no_name_leads_out_of_the_archive(service: str, database: str, again: int) -> None:
    layout = Layout("{service}/{database}/{time}.sql.gz", SEOUL)
    made = layout.name(
        service=service,
        part=PartInfo(database + ".sql", "sql"),
        tier="",
        point="p",
        time=NOON,
        again=again,
    )
    parts = made.split("/")
    assert len(parts) == 3
    assert not {"", ".", ".."} & set(parts)
    assert not any(part.startswith(".") for part in parts)


@settings(max_examples=40, deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2069, 1, 1)),
    st.sampled_from(["daily", "weekly", "monthly"]),
    st.integers(1, 12),
)
def test_a_name_tells_its_time_again(moment: datetime, tier: str, again: int) -> None:
    layout = Layout("{service}/{tier}/x_{time:%Y%m%d_%H%M%S}.sql.gz", SEOUL)
    time = moment.replace(microsecond=0, tzinfo=SEOUL)
    made = layout.name(service="erp", part=SQL, tier=tier, point="", time=time, again=again)
    found = layout.match(made)
    assert found
    assert (found.service, found.tier) == ("erp", tier)
    assert abs(found.time - time) <= timedelta(hours=1)  # an hour that came twice has one name


@pytest.mark.parametrize(
    "key",
    [
        "postgres/daily/backup_20260128_120000.sql",
        "postgres/daily/backup_20261328_120000.sql.gz",
        "postgres/hourly/backup_20260128_120000.sql.gz",
        "postgres/daily/backup_20260128_120000.sql.gz.sha256",
        "postgres/daily/other_20260128_120000.sql.gz",
        "backup_latest.sql.gz",
    ],
)
def test_other_files_are_left_alone(key: str) -> None:
    assert Layout("postgres/{tier}/backup_{time}.sql.gz", SEOUL).match(key) is None


def test_a_time_without_a_day_cannot_be_read_back_and_is_not_guessed() -> None:
    assert Layout("{time:%H%M}.sql.gz", SEOUL).match("1200.sql.gz") is None
    assert Layout("{time:%b %d}.sql.gz", SEOUL).match("Jan 28.sql.gz") is None
