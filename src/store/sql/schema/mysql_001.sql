-- dtm's tables, for MariaDB and MySQL. Columns after the marks are weft's. {prefix} stands before each name, {collation} tells apart all
-- that differs, spaces at the end too. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}kv (
    id          bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    cat         varchar(45) NOT NULL,
    k           varchar(128) NOT NULL,
    v           longtext,
    version     bigint NOT NULL DEFAULT 1,
    create_time datetime(3),
    update_time datetime(3),
    UNIQUE KEY uniq_k (cat, k)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE {collation};
CREATE TABLE IF NOT EXISTS {prefix}trans_global (
    id                 bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    gid                varchar(128) NOT NULL,
    trans_type         varchar(45) NOT NULL,
    status             varchar(45) NOT NULL,
    query_prepared     varchar(1024) NOT NULL DEFAULT '',
    protocol           varchar(45) NOT NULL DEFAULT '',
    create_time        datetime(3),
    update_time        datetime(3),
    finish_time        datetime(3),
    rollback_time      datetime(3),
    options            longtext NOT NULL,
    custom_data        longtext NOT NULL,
    next_cron_interval int,
    next_cron_time     datetime(3),
    owner              varchar(128) NOT NULL DEFAULT '',
    ext_data           longtext,
    result             longtext,
    rollback_reason    longtext,
    -- weft
    workflow           varchar(255) NOT NULL DEFAULT '',
    position           bigint NOT NULL DEFAULT 0,
    attempts           int NOT NULL DEFAULT 0,
    sends              int NOT NULL DEFAULT 0,
    cancel_requested   tinyint NOT NULL DEFAULT 0,
    paused_reason      longtext,
    last_error         longtext,
    -- What an index should hold of the unfinished ones only: finding work costs nothing for what is over.
    unfinished_owner   varchar(128) GENERATED ALWAYS AS (CASE WHEN status IN ('succeed', 'failed') THEN NULL ELSE owner END) VIRTUAL,
    cancelled_owner    varchar(128) GENERATED ALWAYS AS (CASE WHEN cancel_requested = 1 AND status = 'prepared' THEN owner END) VIRTUAL,
    -- When it ended, for removing what is old.
    ended_time         datetime(3) GENERATED ALWAYS AS (CASE status WHEN 'succeed' THEN finish_time WHEN 'failed' THEN rollback_time END) VIRTUAL,
    UNIQUE KEY gid_uniq (gid),
    KEY unfinished (unfinished_owner, workflow, next_cron_time),
    KEY cancel_requests (cancelled_owner),
    KEY ended (ended_time)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE {collation};
CREATE TABLE IF NOT EXISTS {prefix}trans_branch_op (
    id            bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    gid           varchar(128) NOT NULL,
    url           varchar(1024) NOT NULL DEFAULT '',
    data          longtext,
    bin_data      longblob,
    branch_id     varchar(128) NOT NULL,
    op            varchar(45) NOT NULL,
    status        varchar(45) NOT NULL,
    finish_time   datetime(3),
    rollback_time datetime(3),
    create_time   datetime(3),
    update_time   datetime(3),
    UNIQUE KEY gid_branch_uniq (gid, branch_id, op)
) ENGINE = InnoDB CHARACTER SET utf8mb4 COLLATE {collation};
