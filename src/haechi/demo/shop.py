"""A shop with its warehouse, books and people, made up by the server itself: the same rows at every time.

Tables are filled in slices, so that a bar can move and two sessions can work at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from haechi.i18n import N_

DATABASE = "erp"

SCHEMA = """
create schema people; create schema sales; create schema stock; create schema ledger;

-- A number below `below` that looks random and is the same each time.
create function public.roll(row_number bigint, salt int, below int) returns int language sql immutable
return abs(hashint8extended(row_number, salt) % below)::int;

create table people.staff (
    id int not null, name text not null, team text not null, email text not null,
    joined date not null, salary numeric(12, 0) not null);
create table sales.customers (
    id int not null, name text not null, company text, phone text not null, email text not null,
    address text not null, since timestamptz not null);
create table stock.products (
    id int not null, name text not null, english text not null, price numeric(12, 0) not null,
    properties jsonb not null);
create table sales.orders (
    id int not null, customer int not null, taken_by int not null, state text not null,
    placed timestamptz not null, total numeric(12, 0) not null, note text);
create table sales.lines (
    order_id int not null, line smallint not null, product int not null, quantity int not null,
    price numeric(12, 0) not null);
create table stock.movements (
    id bigint not null, product int not null, place text not null, quantity int not null,
    moved timestamptz not null);
create table ledger.entries (
    id bigint not null, booked date not null, account text not null, order_id int, amount numeric(14, 2) not null,
    text text not null);
create view sales.by_month as
    select date_trunc('month', placed) as month, count(*) as orders, sum(total) as total
    from sales.orders group by 1;
"""

KEYS = """
alter table people.staff add primary key (id);
alter table sales.customers add primary key (id);
alter table stock.products add primary key (id);
alter table sales.orders add primary key (id),
    add foreign key (customer) references sales.customers, add foreign key (taken_by) references people.staff;
alter table sales.lines add primary key (order_id, line),
    add foreign key (order_id) references sales.orders, add foreign key (product) references stock.products;
alter table stock.movements add primary key (id);
alter table ledger.entries add primary key (id);
create index on sales.orders (placed);
create index on sales.customers (phone);
create sequence sales.order_number owned by sales.orders.id;
select setval('sales.order_number', (select max(id) from sales.orders));
"""


@dataclass(frozen=True)
class Table:
    name: str
    rows: int
    select: str  # one row for each number `i`


_FAMILY = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 류 홍"
_GIVEN = "민준 서연 도윤 지우 예준 서현 시우 하은 주원 지민 하준 수아 지호 다은 채원 현우 은서 건우 유진 나래"
_ENGLISH = "minjun seoyeon doyun jiwoo yejun seohyun siwoo haeun juwon jimin"
_CITY = (
    "서울_마포구 서울_강남구 부산_해운대구 대구_수성구 인천_연수구 "
    "광주_북구 대전_유성구 경기_성남시 강원_강릉시 제주_제주시"
)
_STREET = "월드컵로 테헤란로 해운대로 동대구로 송도대로 중앙로 대학로 판교로 경강로 노연로"
_COMPANY = (
    "한빛상사 대한유통 미래식품 Hanbit_Trading 새벽물산 Seoul_Foods 우리전자 청해수산 Mirae_Works 동방건설"
)
_GOODS = "노트북 모니터 키보드 의자 책상 프린터 복합기 용지 토너 마우스 냉장고 세탁기"
_GOODS_ENGLISH = "laptop monitor keyboard chair desk printer copier paper toner mouse fridge washer"
_TEAM = "영업 구매 회계 물류 인사 개발"
_STATE = "접수 결제 포장 배송 완료 완료 완료 반품"
_PLACE = "서울창고 부산창고 인천창고 대전창고"
_ACCOUNT = "매출 매입 미수금 미지급금 급여 임차료 운반비"
_NOTE = "문_앞에_두세요 부재_시_경비실에_맡겨_주세요 Please_call_before_delivery 선물_포장_부탁드립니다"


def _of(words: str, salt: int) -> str:
    """One of these words, another one for each row."""
    choice = words.split()
    quoted = ",".join(word.replace("_", " ") for word in choice)
    return f"('{{{quoted}}}'::text[])[1 + roll(i, {salt}, {len(choice)})]"


def tables(scale: float = 1.0) -> tuple[Table, ...]:
    """What is in the shop; at full scale about 260 MB."""
    staff, products = 800, 4_000
    customers, orders = round(120_000 * scale), round(400_000 * scale)
    return (
        Table(
            "people.staff",
            staff,
            f"i, {_of(_FAMILY, 1)} || {_of(_GIVEN, 2)}, {_of(_TEAM, 3)}, 'staff' || i || '@erp.example',"
            " date '2012-01-02' + roll(i, 4, 4600), 2600000 + 50000 * roll(i, 5, 90)",
        ),
        Table(
            "stock.products",
            products,
            f"i, {_of(_GOODS, 6)} || ' ' || 100 + roll(i, 7, 900), {_of(_GOODS_ENGLISH, 6)} || ' ' || i,"
            " 1000 * (5 + roll(i, 8, 1500)),"
            " jsonb_build_object('무게', roll(i, 9, 5000), 'color', to_hex(roll(i, 10, 16777216)), '보증', '2년')",
        ),
        Table(
            "sales.customers",
            customers,
            f"i, {_of(_FAMILY, 11)} || {_of(_GIVEN, 12)}, case when roll(i, 13, 3) = 0 then {_of(_COMPANY, 14)} end,"
            " '010-' || 1000 + roll(i, 15, 9000) || '-' || 1000 + roll(i, 16, 9000),"
            f" {_of(_ENGLISH, 17)} || i || '@mail.example',"
            f" {_of(_CITY, 18)} || ' ' || {_of(_STREET, 19)} || ' ' || 1 + roll(i, 20, 400),"
            " timestamptz '2016-03-02 09:00+09' + roll(i, 21, 290000000) * interval '1 second'",
        ),
        Table(
            "sales.orders",
            orders,
            f"i, 1 + roll(i, 22, {customers}), 1 + roll(i, 23, {staff}), {_of(_STATE, 24)},"
            " timestamptz '2024-01-02 09:00+09' + (i * 150 + roll(i, 25, 140)) * interval '1 second',"
            f" 1000 * (10 + roll(i, 26, 3000)), case when roll(i, 37, 4) = 0 then {_of(_NOTE, 27)} end",
        ),
        Table(
            "sales.lines",
            round(900_000 * scale),
            f"1 + i % {orders}, 1 + i / {orders}, 1 + roll(i, 28, {products}), 1 + roll(i, 29, 12),"
            " 1000 * (5 + roll(i, 30, 1500))",
        ),
        Table(
            "stock.movements",
            round(600_000 * scale),
            f"i, 1 + roll(i, 31, {products}), {_of(_PLACE, 32)}, roll(i, 33, 200) - 100,"
            " timestamptz '2024-01-02 09:00+09' + i * 100 * interval '1 second'",
        ),
        Table(
            "ledger.entries",
            round(500_000 * scale),
            f"i, date '2024-01-02' + (i / 700)::int, {_of(_ACCOUNT, 34)}, 1 + roll(i, 35, {orders}),"
            f" roll(i, 36, 9000000) / 100.0, {_of(_ACCOUNT, 34)} || ' 전표 ' || to_char(i, 'FM0000000')",
        ),
    )


SLICE = 50_000


def slices(table: Table) -> list[tuple[int, str]]:
    """Statements that fill the table, each with its number of rows."""
    found = []
    for first in range(1, table.rows + 1, SLICE):
        last = min(first + SLICE - 1, table.rows)
        series = f"generate_series({first}::bigint, {last}::bigint) as i"
        found.append((last - first + 1, f"insert into {table.name} select {table.select} from {series}"))
    return found


@dataclass(frozen=True)
class Damage:
    """One of the things that happen at three in the morning."""

    title: str  # marked for translation
    sql: str


DISASTER = (
    Damage(N_("A migration drops the orders"), "drop table sales.orders cascade"),
    Damage(
        N_("An UPDATE without WHERE overwrites every customer's phone number"),
        "update sales.customers set phone = '010-0000-0000'",
    ),
    Damage(
        N_("A clean-up job deletes half of the ledger"),
        "delete from ledger.entries where id % 2 = 0",
    ),
)

TABLE_NAMES = """
select schemaname || '.' || tablename from pg_tables
where schemaname in ('people', 'sales', 'stock', 'ledger') order by 1
"""

# The demo counts by itself, and not by what a backup has counted: a witness that knows nothing of the other.
DIGEST = "select count(*), coalesce(sum(('x' || left(md5(t::text), 15))::bit(60)::bigint), 0) from {table} t"
