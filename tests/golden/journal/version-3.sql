-- A journal as version 3 wrote it. Frozen: never edit it, a test opens it with every later version.
BEGIN TRANSACTION;
CREATE TABLE haechi_copies (
        point TEXT NOT NULL REFERENCES haechi_points (id) ON DELETE CASCADE,
        place TEXT NOT NULL,
        ref TEXT NOT NULL,
        size BIGINT NOT NULL,
        PRIMARY KEY (point, place)
    );
INSERT INTO "haechi_copies" VALUES('p1','vault.main','4bba301e',414000000);
CREATE TABLE haechi_journal (version BIGINT NOT NULL);
INSERT INTO "haechi_journal" VALUES(3);
CREATE TABLE haechi_points (
        id TEXT PRIMARY KEY,
        service TEXT NOT NULL,
        time TEXT NOT NULL,
        gone TEXT,
        body TEXT NOT NULL
    );
INSERT INTO "haechi_points" VALUES('p1','postgres','2025-03-01T02:00:00.000000+00:00',NULL,'{"id": "p1", "service": "postgres", "source": "postgresql", "time": "2025-03-01T02:00:00+00:00", "run": "20250301T020000000-abc123", "host": "erp", "size": 1317000000, "parts": [{"name": "shop.dump", "form": "pg-custom", "size": 1317000000}], "facts": {"tables": {"orders": 3}}, "tags": ["daily"], "held": false, "plan_digest": "ab"}');
CREATE TABLE haechi_proofs (
        id TEXT PRIMARY KEY,
        point TEXT NOT NULL,
        place TEXT NOT NULL,
        state TEXT NOT NULL,
        time TEXT NOT NULL,
        depth TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        detail TEXT NOT NULL
    );
INSERT INTO "haechi_proofs" VALUES('20250301T020000-0123456789ab','p1','vault.main','restored','2025-03-01T02:00:00.000000+00:00','restore',61.5,'{"rows": 3}');
CREATE TABLE haechi_reports (
        id TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        subject TEXT NOT NULL,
        host TEXT NOT NULL,
        time TEXT NOT NULL,
        body TEXT NOT NULL,
        key TEXT NOT NULL,
        signature TEXT NOT NULL
    );
INSERT INTO "haechi_reports" VALUES('20250301T050000-drill-0a1b2c','drill','postgres','erp','2025-03-01T05:00:00.000000+00:00','{"passed": true}','00','00');
CREATE TABLE haechi_runs (
        id TEXT PRIMARY KEY,
        operation TEXT NOT NULL,
        service TEXT NOT NULL,
        host TEXT NOT NULL,
        process TEXT NOT NULL,
        began TEXT NOT NULL,
        ended TEXT,
        outcome TEXT NOT NULL,
        bytes_read BIGINT NOT NULL,
        bytes_stored BIGINT NOT NULL,
        point TEXT NOT NULL,
        error TEXT NOT NULL
    );
INSERT INTO "haechi_runs" VALUES('20250301T020000000-abc123','backup','postgres','erp','{"pid": 4242, "start": "1", "boot": "x", "space": "pid:[1]"}','2025-03-01T02:00:00.000000+00:00','2025-03-01T02:00:13.000000+00:00','failure',1317000000,414000000,'p1','{"code": "store-full", "message": "No space is left"}');
CREATE TABLE haechi_steps (
        run TEXT NOT NULL REFERENCES haechi_runs (id) ON DELETE CASCADE,
        number BIGINT NOT NULL,
        title TEXT NOT NULL,
        began TEXT NOT NULL,
        seconds DOUBLE PRECISION NOT NULL,
        outcome TEXT NOT NULL,
        amount BIGINT NOT NULL,
        error TEXT NOT NULL, made_of TEXT NOT NULL DEFAULT '{}',
        PRIMARY KEY (run, number)
    );
INSERT INTO "haechi_steps" VALUES('20250301T020000000-abc123',1,'shop.dump','2025-03-01T02:00:00.000000+00:00',12.5,'success',1317000000,'','{}');
INSERT INTO "haechi_steps" VALUES('20250301T020000000-abc123',2,'전역 객체','2025-03-01T02:00:00.000000+00:00',0.5,'failure',0,'No space is left','{"message": "Loading {name}", "named": {"name": "shop"}}');
CREATE INDEX haechi_runs_by_service ON haechi_runs (service, operation, began);
CREATE INDEX haechi_runs_by_time ON haechi_runs (began);
CREATE INDEX haechi_points_by_service ON haechi_points (service, time);
CREATE INDEX haechi_proofs_by_point ON haechi_proofs (point, time);
CREATE INDEX haechi_reports_by_subject ON haechi_reports (kind, subject, time);
COMMIT;
