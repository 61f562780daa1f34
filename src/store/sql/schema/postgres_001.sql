-- dtm's tables, for PostgreSQL. Columns after the marks are weft's. {prefix} stands before each name.
CREATE TABLE {prefix}kv (
    id          bigserial PRIMARY KEY,
    cat         varchar(45) NOT NULL,
    k           varchar(128) NOT NULL,
    v           text,
    version     bigint NOT NULL DEFAULT 1,
    create_time timestamptz(3),
    update_time timestamptz(3)
);
CREATE UNIQUE INDEX {prefix}uniq_k ON {prefix}kv (cat, k);
CREATE TABLE {prefix}trans_global (
    id                 bigserial PRIMARY KEY,
    gid                varchar(128) NOT NULL,
    trans_type         varchar(45) NOT NULL,
    status             varchar(45) NOT NULL,
    query_prepared     varchar(1024) NOT NULL DEFAULT '',
    protocol           varchar(45) NOT NULL DEFAULT '',
    create_time        timestamptz(3),
    update_time        timestamptz(3),
    finish_time        timestamptz(3),
    rollback_time      timestamptz(3),
    options            text NOT NULL DEFAULT '',
    custom_data        text NOT NULL DEFAULT '',
    next_cron_interval int,
    next_cron_time     timestamptz(3),
    owner              varchar(128) NOT NULL DEFAULT '',
    ext_data           text,
    result             text,
    rollback_reason    text,
    -- weft
    workflow           text NOT NULL DEFAULT '',
    position           bigint NOT NULL DEFAULT 0,
    attempts           int NOT NULL DEFAULT 0,
    sends              int NOT NULL DEFAULT 0,
    cancel_requested   smallint NOT NULL DEFAULT 0,
    paused_reason      text,
    last_error         text
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX {prefix}gid_uniq ON {prefix}trans_global (gid);
-- The unfinished ones only: finding work costs nothing for what is over.
CREATE INDEX {prefix}unfinished ON {prefix}trans_global (owner, workflow, next_cron_time) WHERE status NOT IN ('succeed', 'failed');
CREATE INDEX {prefix}cancel_requests ON {prefix}trans_global (owner) WHERE cancel_requested = 1 AND status = 'prepared';
-- When they ended, for removing what is old. Not update_time, which every write changes: a row whose indexed columns stay as they are is
-- updated in place (HOT).
CREATE INDEX {prefix}ended ON {prefix}trans_global ((CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END))
    WHERE status IN ('succeed', 'failed');
CREATE TABLE {prefix}trans_branch_op (
    id            bigserial PRIMARY KEY,
    gid           varchar(128) NOT NULL,
    url           varchar(1024) NOT NULL DEFAULT '',
    data          text,
    bin_data      bytea,
    branch_id     varchar(128) NOT NULL,
    op            varchar(45) NOT NULL,
    status        varchar(45) NOT NULL,
    finish_time   timestamptz(3),
    rollback_time timestamptz(3),
    create_time   timestamptz(3),
    update_time   timestamptz(3)
);
CREATE UNIQUE INDEX {prefix}gid_branch_uniq ON {prefix}trans_branch_op (gid, branch_id, op);
