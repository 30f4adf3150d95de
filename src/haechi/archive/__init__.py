"""Plain files that gunzip, psql, pg_restore and tar open without us."""
