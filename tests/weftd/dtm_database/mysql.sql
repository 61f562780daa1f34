-- What a stock dtm server (1.19) has in MySQL: its database, its tables, its names.
CREATE DATABASE dtm DEFAULT CHARACTER SET utf8mb4;
USE dtm;
CREATE TABLE trans_global (
    id                 bigint(22) NOT NULL AUTO_INCREMENT,
    gid                varchar(128) NOT NULL COMMENT 'global transaction id',
    trans_type         varchar(45) NOT NULL COMMENT 'transaction type: saga | xa | tcc | msg',
    status             varchar(12) NOT NULL COMMENT 'transaction status',
    query_prepared     varchar(1024) NOT NULL COMMENT 'url to check for msg|workflow',
    protocol           varchar(45) NOT NULL COMMENT 'protocol: http | grpc | json-rpc',
    create_time        datetime DEFAULT NULL,
    update_time        datetime DEFAULT NULL,
    finish_time        datetime DEFAULT NULL,
    rollback_time      datetime DEFAULT NULL,
    options            varchar(1024) DEFAULT 'options for transaction like: TimeoutToFail, RequestTimeout',
    custom_data        varchar(1024) DEFAULT '' COMMENT 'custom data for transaction',
    next_cron_interval int(11) DEFAULT NULL COMMENT 'next cron interval',
    next_cron_time     datetime DEFAULT NULL COMMENT 'next time to process this trans',
    owner              varchar(128) NOT NULL DEFAULT '' COMMENT 'who is locking this trans',
    ext_data           text COMMENT 'extra data for this trans',
    result             varchar(1024) DEFAULT '' COMMENT 'result for transaction',
    rollback_reason    varchar(1024) DEFAULT '' COMMENT 'rollback reason for transaction',
    PRIMARY KEY (id),
    UNIQUE KEY gid (gid),
    KEY owner (owner),
    KEY status_next_cron_time (status, next_cron_time)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
CREATE TABLE trans_branch_op (
    id            bigint(22) NOT NULL AUTO_INCREMENT,
    gid           varchar(128) NOT NULL COMMENT 'global transaction id',
    url           varchar(1024) NOT NULL COMMENT 'the url of this op',
    data          text COMMENT 'request body, deprecated',
    bin_data      blob COMMENT 'request body',
    branch_id     varchar(128) NOT NULL COMMENT 'transaction branch ID',
    op            varchar(45) NOT NULL COMMENT 'transaction operation type',
    status        varchar(45) NOT NULL COMMENT 'transaction op status',
    finish_time   datetime DEFAULT NULL,
    rollback_time datetime DEFAULT NULL,
    create_time   datetime DEFAULT NULL,
    update_time   datetime DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY gid_uniq (gid, branch_id, op)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
CREATE TABLE kv (
    id          bigint(22) NOT NULL AUTO_INCREMENT,
    cat         varchar(45) NOT NULL COMMENT 'the category of this data',
    k           varchar(128) NOT NULL,
    v           text,
    version     bigint(22) DEFAULT 1 COMMENT 'version of the value',
    create_time datetime DEFAULT NULL,
    update_time datetime DEFAULT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY uniq_k (cat, k)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
CREATE DATABASE dtm_barrier DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE dtm_barrier.barrier (
    id          bigint(22) NOT NULL AUTO_INCREMENT,
    trans_type  varchar(45) DEFAULT '',
    gid         varchar(128) DEFAULT '',
    branch_id   varchar(128) DEFAULT '',
    op          varchar(45) DEFAULT '',
    barrier_id  varchar(45) DEFAULT '',
    reason      varchar(45) DEFAULT '' COMMENT 'the branch type who insert this record',
    create_time datetime DEFAULT now(),
    update_time datetime DEFAULT now(),
    PRIMARY KEY (id),
    UNIQUE KEY uniq_barrier (gid, branch_id, op, barrier_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;
