-- dtm's tables, for SQLite. Times are milliseconds since 1970, UTC. Columns after the marks are weft's.
CREATE TABLE kv (
    id          INTEGER PRIMARY KEY,
    cat         TEXT NOT NULL,
    k           TEXT NOT NULL,
    v           TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    create_time INTEGER,
    update_time INTEGER
);
CREATE UNIQUE INDEX uniq_k ON kv (cat, k);

CREATE TABLE trans_global (
    id                 INTEGER PRIMARY KEY,
    gid                TEXT NOT NULL,
    trans_type         TEXT NOT NULL,
    status             TEXT NOT NULL,
    query_prepared     TEXT NOT NULL DEFAULT '',
    protocol           TEXT NOT NULL DEFAULT '',
    create_time        INTEGER,
    update_time        INTEGER,
    finish_time        INTEGER,
    rollback_time      INTEGER,
    options            TEXT NOT NULL DEFAULT '',
    custom_data        TEXT NOT NULL DEFAULT '',
    next_cron_interval INTEGER,
    next_cron_time     INTEGER,
    owner              TEXT NOT NULL DEFAULT '',
    ext_data           TEXT,
    result             TEXT,
    rollback_reason    TEXT,
    -- weft
    workflow           TEXT NOT NULL DEFAULT '',
    position           INTEGER NOT NULL DEFAULT 0,
    attempts           INTEGER NOT NULL DEFAULT 0,
    sends              INTEGER NOT NULL DEFAULT 0,
    cancel_requested   INTEGER NOT NULL DEFAULT 0,
    paused_reason      TEXT,
    last_error         TEXT
);
CREATE UNIQUE INDEX gid_uniq ON trans_global (gid);
-- The unfinished ones only: finding work costs nothing for what is over, and finishing takes a row out. A list of two: SQLite builds a
-- temporary tree, at every write, to look into a list of three.
CREATE INDEX unfinished ON trans_global (owner, workflow, next_cron_time) WHERE status NOT IN ('succeed', 'failed');
CREATE INDEX cancel_requests ON trans_global (owner) WHERE cancel_requested = 1;
-- When they ended, for removing what is old.
CREATE INDEX ended ON trans_global (CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END)
    WHERE status IN ('succeed', 'failed');

CREATE TABLE trans_branch_op (
    id            INTEGER PRIMARY KEY,
    gid           TEXT NOT NULL,
    url           TEXT NOT NULL DEFAULT '',
    data          TEXT,
    bin_data      BLOB,
    branch_id     TEXT NOT NULL,
    op            TEXT NOT NULL,
    status        TEXT NOT NULL,
    finish_time   INTEGER,
    rollback_time INTEGER,
    create_time   INTEGER,
    update_time   INTEGER
);
CREATE UNIQUE INDEX gid_branch_uniq ON trans_branch_op (gid, branch_id, op);
