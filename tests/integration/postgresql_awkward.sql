-- Everything that has ever come back wrong from a dump, in one small database.
create schema "판매 관리";
create schema hidden;
create extension if not exists hstore with schema hidden;
create extension if not exists pg_trgm;
comment on schema "판매 관리" is '견적, 주문 ''따옴표''';

create type public.mood as enum ('happy', 'so-so', '슬픔');
create type public.pair as (a int, b text);
create domain public.positive as int check (value > 0);
create type public.span as range (subtype = timestamptz);
create function public.widen(state int, value int) returns int language sql immutable as 'select greatest(state, value)';
create aggregate public.widest(int) (sfunc = public.widen, stype = int, initcond = '0');

-- Generated, identity, defaults, arrays, ranges, composites, every way to be null.
create table public.kitchen_sink (
  id          bigint generated always as identity (start 1000 increment 7) primary key,
  code        text unique not null default 'c' || md5(random()::text),
  twice       int generated always as (small * 2) stored,
  small       public.positive,
  feeling     public.mood default '슬픔',
  tags        text[],
  matrix      int[][],
  "both"      public.pair,
  during      public.span,
  blob        bytea,
  doc         jsonb,
  raw         json,
  label       hidden.hstore,
  price       numeric(30, 10),
  ratio       double precision,
  stamp       timestamptz default '2026-01-28 12:00:00+09',
  took        interval,
  net         inet,
  words       tsvector,
  bits        bit varying(12),
  uid         uuid,
  big         text
);
insert into public.kitchen_sink (code, small, feeling, tags, matrix, "both", during, blob, doc, raw, label, price, ratio, took, net, words, bits, uid, big)
select 'row ' || i, i, (array['happy', 'so-so', '슬픔']::public.mood[])[1 + i % 3],
       array['a,b', '{c}', '"d"', null, E'e\\f', ''], array[[i, 2], [3, i]], row(i, E'tab\there')::public.pair,
       public.span('2026-01-01 00:00+09'::timestamptz, '2026-01-01 00:00+09'::timestamptz + i * interval '1 hour'),
       decode(md5(i::text), 'hex') || '\x00ff0a5c'::bytea, jsonb_build_object('n', i, '한글', '값'), '{ "keep":  "space" }',
       hidden.hstore('k', i::text), i / 3.0, sqrt(i), i * interval '1 month 2 days 3.5 seconds',
       ('10.0.0.' || i % 250)::inet, to_tsvector('simple', 'fat cat ' || i), (i % 16)::bit(4)::varbit,
       md5(i::text)::uuid, repeat(md5(i::text), 300)
from generate_series(1, 300) i;
insert into public.kitchen_sink (code, small, tags, ratio, price, big) values
  (E'\\N', null, null, 'NaN', 'NaN', ''), (E'\\.', 1, '{}', 'Infinity', 0, E'\\.\n\\N\n\r\t\b\f\v'),
  (E'줄\n바꿈\r\n', 1, '{NULL,"NULL"}', '-0', -0.0000000001, E'''"`$$; -- \\connect evil\n\\! echo evil');
create index on public.kitchen_sink using gin (words);
create index "Index with space" on public.kitchen_sink (lower(code)) where small > 10;
create statistics public.related (dependencies) on small, feeling from public.kitchen_sink;
comment on column public.kitchen_sink.big is E'backslash \\ and ''quote''';

-- Quoted and Korean names, reserved words, a quote inside a name.
create table "판매 관리"."고객 ""VIP""" ("번호" serial primary key, "select" text, "Mixed Case" text);
insert into "판매 관리"."고객 ""VIP""" ("select", "Mixed Case") select '이름' || i, 'x' from generate_series(1, 50) i;
create table "판매 관리".orders (
  id int primary key, customer int not null references "판매 관리"."고객 ""VIP""" ("번호") deferrable initially deferred,
  note text, exclude using gist (int4range(id, id + 1) with &&)
);
insert into "판매 관리".orders select i, 1 + i % 50, null from generate_series(1, 500) i;

-- Cycles between tables, and a table that refers to itself.
create table public.hen (id int primary key, egg int);
create table public.egg (id int primary key, hen int references public.hen deferrable initially deferred);
alter table public.hen add foreign key (egg) references public.egg deferrable initially deferred;
insert into public.hen values (1, null); insert into public.egg values (1, 1); update public.hen set egg = 1;

-- Partitions of partitions, one with its columns in another order; inheritance with a column added later.
create table public.events (at date not null, kind text not null, payload text) partition by range (at);
create table public.events_2025 partition of public.events for values from ('2025-01-01') to ('2026-01-01');
create table public.events_2026 partition of public.events for values from ('2026-01-01') to ('2027-01-01') partition by list (kind);
create table public.events_2026_a (payload text, kind text not null, at date not null);
alter table public.events_2026 attach partition public.events_2026_a for values in ('a');
create table public.events_rest partition of public.events default;
create index on public.events (at);
insert into public.events select '2025-06-01'::date + i, case when i % 2 = 0 then 'a' else 'b' end, i::text
from generate_series(0, 200) i;
insert into public.events values ('2026-05-05', 'a', 'deep'), ('1999-01-01', 'z', 'rest');
create table public.animal (id int, name text);
create table public.dog (bark text) inherits (public.animal);
alter table public.animal add column legs int default 4;
insert into public.animal values (1, 'cat', 4); insert into public.dog values (2, 'rex', 'woof', 3);

-- Views on views, a view with rules, materialized views on each other.
create view public.v1 as select id, code from public.kitchen_sink;
create view public.v2 as select *, length(code) as len from public.v1 with local check option;
create materialized view public.m1 as select feeling, count(*) as n, public.widest(small) as top from public.kitchen_sink group by feeling;
create unique index on public.m1 (feeling);
create materialized view public.m2 as select sum(n) as total from public.m1;
create rule quiet as on delete to public.v1 do instead nothing;
create recursive view public.numbers (n) as values (1) union all select n + 1 from numbers where n < 5;

-- Functions whose bodies look like a script's lines, triggers, event triggers, row level security.
create table public.audit (at timestamptz, what text);
create function public.noted() returns trigger language plpgsql as $body$
begin
  -- a body with lines that a careless reader would take for commands:
  /*
\connect postgres
COPY public.audit FROM nowhere;
  */
  insert into public.audit values (now(), tg_table_name);
  return new;
end $body$;
create trigger noted after insert or update on "판매 관리".orders for each row execute function public.noted();
alter table "판매 관리".orders disable trigger noted;
create procedure public.tidy() language sql as 'delete from public.audit where false';
create function public.on_ddl() returns event_trigger language plpgsql as 'begin end';
create event trigger watch on ddl_command_end execute function public.on_ddl();
alter table public.audit enable row level security;
alter table public.audit force row level security;
create policy own on public.audit for select using (what <> 'secret');
insert into public.audit values ('2026-01-01', 'secret');

-- Casts, operators, collations, text search, publications and subscriptions, foreign tables.
create collation public.bytewise (locale = 'C');
create table public.sorted (t text collate public.bytewise primary key);
insert into public.sorted values ('가'), ('나'), ('a'), ('B');
create operator public.<+> (leftarg = int, rightarg = int, function = public.widen);
create text search configuration public.mine (copy = simple);
create publication everything for table public.hen;
create publication "무엇이든" for table public.egg with (publish = 'insert, update');
create subscription theirs connection 'host=publisher.invalid dbname=shop user=reader' publication everything
  with (connect = false);
create subscription "남의 것" connection 'host=publisher.invalid' publication one, "무엇이든"
  with (connect = false, slot_name = none);
create foreign data wrapper nowhere;
create server nobody foreign data wrapper nowhere options (host 'x');
create foreign table public.far (id int, t text) server nobody;

-- Sequences left somewhere, tables without columns, without rows, unlogged; a table with very many columns.
create sequence public.counting start 5 increment -3 minvalue -1000 maxvalue 100;
select nextval('public.counting'), nextval('public.counting');
create sequence public.untouched;
create table public.nothing ();
insert into public.nothing default values;
create table public.empty (id int);
create unlogged table public.unlogged (id int);
insert into public.unlogged select generate_series(1, 10);
do $$ begin execute 'create table public.wide (' || (select string_agg(format('c%s int', i), ', ' order by i) from generate_series(1, 1600) i) || ')'; end $$;
insert into public.wide (c1, c1600) values (1, 1600), (2, null);
alter table public.empty add column gone int; alter table public.empty drop column gone;

-- Large objects, with owners and comments.
select lo_from_bytea(4243, convert_to(repeat('large object ', 50000), 'UTF8'));
comment on large object 4243 is 'a picture';
select lo_from_bytea(4244, '\x00');

-- Not valid until checked, privileges on columns and by default.
alter table public.empty add constraint later check (id > 0) not valid;
grant select (id, code) on public.kitchen_sink to public;
alter default privileges in schema hidden grant select on tables to public;
