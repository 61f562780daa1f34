-- What makes the tables that a dtm server has left behind those of mysql_001: room, defaults, weft's columns and indexes, and gids told apart
-- by all that differs. What dtm's own statements need stays, its indexes too. MySQL commits each statement by itself: all of them can be
-- repeated but the last, which adds weft's columns, and after which all of this is done.
UPDATE {prefix}kv SET version = 1 WHERE version IS NULL;
ALTER TABLE {prefix}kv
    CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation},
    MODIFY COLUMN v           longtext,
    MODIFY COLUMN version     bigint NOT NULL DEFAULT 1,
    MODIFY COLUMN create_time datetime(3),
    MODIFY COLUMN update_time datetime(3);
ALTER TABLE {prefix}trans_branch_op
    CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation},
    MODIFY COLUMN url           varchar(1024) NOT NULL DEFAULT '',
    MODIFY COLUMN data          longtext,
    MODIFY COLUMN bin_data      longblob,
    MODIFY COLUMN finish_time   datetime(3),
    MODIFY COLUMN rollback_time datetime(3),
    MODIFY COLUMN create_time   datetime(3),
    MODIFY COLUMN update_time   datetime(3);
UPDATE {prefix}trans_global SET options = COALESCE(options, ''), custom_data = COALESCE(custom_data, '')
    WHERE options IS NULL OR custom_data IS NULL;
ALTER TABLE {prefix}trans_global
    CONVERT TO CHARACTER SET utf8mb4 COLLATE {collation},
    MODIFY COLUMN status           varchar(45) NOT NULL,
    MODIFY COLUMN query_prepared   varchar(1024) NOT NULL DEFAULT '',
    MODIFY COLUMN protocol         varchar(45) NOT NULL DEFAULT '',
    MODIFY COLUMN create_time      datetime(3),
    MODIFY COLUMN update_time      datetime(3),
    MODIFY COLUMN finish_time      datetime(3),
    MODIFY COLUMN rollback_time    datetime(3),
    MODIFY COLUMN options          longtext NOT NULL,
    MODIFY COLUMN custom_data      longtext NOT NULL,
    MODIFY COLUMN next_cron_time   datetime(3),
    MODIFY COLUMN ext_data         longtext,
    MODIFY COLUMN result           longtext,
    MODIFY COLUMN rollback_reason  longtext,
    ADD COLUMN workflow         varchar(255) NOT NULL DEFAULT '',
    ADD COLUMN position         bigint NOT NULL DEFAULT 0,
    ADD COLUMN attempts         int NOT NULL DEFAULT 0,
    ADD COLUMN sends            int NOT NULL DEFAULT 0,
    ADD COLUMN cancel_requested tinyint NOT NULL DEFAULT 0,
    ADD COLUMN paused_reason    longtext,
    ADD COLUMN last_error       longtext,
    ADD COLUMN unfinished_owner varchar(128) GENERATED ALWAYS AS (CASE WHEN status IN ('succeed', 'failed') THEN NULL ELSE owner END) VIRTUAL,
    ADD COLUMN cancelled_owner  varchar(128) GENERATED ALWAYS AS (CASE WHEN cancel_requested = 1 AND status = 'prepared' THEN owner END) VIRTUAL,
    ADD COLUMN ended_time       datetime(3) GENERATED ALWAYS AS (CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END) VIRTUAL,
    ADD KEY unfinished (unfinished_owner, workflow, next_cron_time),
    ADD KEY cancel_requests (cancelled_owner),
    ADD KEY ended (ended_time);
