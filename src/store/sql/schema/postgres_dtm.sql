-- What makes the tables that a dtm server has left behind those of postgres_001: room, defaults, weft's columns and indexes. What dtm's own
-- statements need stays, its indexes and the names of its keys too.
ALTER TABLE {prefix}kv
    ALTER COLUMN create_time TYPE timestamptz(3),
    ALTER COLUMN update_time TYPE timestamptz(3);
UPDATE {prefix}kv SET version = 1 WHERE version IS NULL;
ALTER TABLE {prefix}kv ALTER COLUMN version SET NOT NULL;
UPDATE {prefix}trans_global SET options = COALESCE(options, ''), custom_data = COALESCE(custom_data, '')
    WHERE options IS NULL OR custom_data IS NULL;
ALTER TABLE {prefix}trans_global
    ALTER COLUMN status TYPE varchar(45),
    ALTER COLUMN query_prepared TYPE varchar(1024), ALTER COLUMN query_prepared SET DEFAULT '',
    ALTER COLUMN protocol SET DEFAULT '',
    ALTER COLUMN create_time TYPE timestamptz(3),
    ALTER COLUMN update_time TYPE timestamptz(3),
    ALTER COLUMN finish_time TYPE timestamptz(3),
    ALTER COLUMN rollback_time TYPE timestamptz(3),
    ALTER COLUMN next_cron_time TYPE timestamptz(3),
    ALTER COLUMN options TYPE text, ALTER COLUMN options SET DEFAULT '', ALTER COLUMN options SET NOT NULL,
    ALTER COLUMN custom_data TYPE text, ALTER COLUMN custom_data SET DEFAULT '', ALTER COLUMN custom_data SET NOT NULL,
    ALTER COLUMN ext_data TYPE text,
    ALTER COLUMN result TYPE text,
    ALTER COLUMN rollback_reason TYPE text,
    ADD COLUMN workflow         text NOT NULL DEFAULT '',
    ADD COLUMN position         bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempts         int NOT NULL DEFAULT 0,
    ADD COLUMN sends            int NOT NULL DEFAULT 0,
    ADD COLUMN cancel_requested smallint NOT NULL DEFAULT 0,
    ADD COLUMN paused_reason    text,
    ADD COLUMN last_error       text,
    SET (fillfactor = 70);
CREATE INDEX {prefix}unfinished ON {prefix}trans_global (owner, workflow, next_cron_time) WHERE status NOT IN ('succeed', 'failed');
CREATE INDEX {prefix}cancel_requests ON {prefix}trans_global (owner) WHERE cancel_requested = 1 AND status = 'prepared';
CREATE INDEX {prefix}ended ON {prefix}trans_global ((CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END))
    WHERE status IN ('succeed', 'failed');
ALTER TABLE {prefix}trans_branch_op
    ALTER COLUMN url TYPE varchar(1024), ALTER COLUMN url SET DEFAULT '',
    ALTER COLUMN data TYPE text,
    ALTER COLUMN finish_time TYPE timestamptz(3),
    ALTER COLUMN rollback_time TYPE timestamptz(3),
    ALTER COLUMN create_time TYPE timestamptz(3),
    ALTER COLUMN update_time TYPE timestamptz(3);
