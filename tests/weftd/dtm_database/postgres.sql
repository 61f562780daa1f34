-- What a stock dtm server (1.19) has in PostgreSQL: its tables in the schema public (or the one that its configuration names), its names.
CREATE SEQUENCE trans_global_seq;
CREATE TABLE trans_global (
    id                 bigint NOT NULL DEFAULT NEXTVAL('trans_global_seq'),
    gid                varchar(128) NOT NULL,
    trans_type         varchar(45) NOT NULL,
    status             varchar(45) NOT NULL,
    query_prepared     varchar(1024) NOT NULL,
    protocol           varchar(45) NOT NULL,
    create_time        timestamp(0) with time zone DEFAULT NULL,
    update_time        timestamp(0) with time zone DEFAULT NULL,
    finish_time        timestamp(0) with time zone DEFAULT NULL,
    rollback_time      timestamp(0) with time zone DEFAULT NULL,
    options            varchar(1024) DEFAULT '',
    custom_data        varchar(1024) DEFAULT '',
    next_cron_interval int DEFAULT NULL,
    next_cron_time     timestamp(0) with time zone DEFAULT NULL,
    owner              varchar(128) NOT NULL DEFAULT '',
    ext_data           text,
    result             varchar(1024) DEFAULT '',
    rollback_reason    varchar(1024) DEFAULT '',
    PRIMARY KEY (id),
    CONSTRAINT gid UNIQUE (gid)
);
CREATE INDEX owner ON trans_global (owner);
CREATE INDEX status_next_cron_time ON trans_global (status, next_cron_time);
CREATE SEQUENCE trans_branch_op_seq;
CREATE TABLE trans_branch_op (
    id            bigint NOT NULL DEFAULT NEXTVAL('trans_branch_op_seq'),
    gid           varchar(128) NOT NULL,
    url           varchar(1024) NOT NULL,
    data          text,
    bin_data      bytea,
    branch_id     varchar(128) NOT NULL,
    op            varchar(45) NOT NULL,
    status        varchar(45) NOT NULL,
    finish_time   timestamp(0) with time zone DEFAULT NULL,
    rollback_time timestamp(0) with time zone DEFAULT NULL,
    create_time   timestamp(0) with time zone DEFAULT NULL,
    update_time   timestamp(0) with time zone DEFAULT NULL,
    PRIMARY KEY (id),
    CONSTRAINT gid_branch_uniq UNIQUE (gid, branch_id, op)
);
CREATE SEQUENCE kv_seq;
CREATE TABLE kv (
    id          bigint NOT NULL DEFAULT NEXTVAL('kv_seq'),
    cat         varchar(45) NOT NULL,
    k           varchar(128) NOT NULL,
    v           text,
    version     bigint DEFAULT 1,
    create_time timestamp(0) with time zone DEFAULT NULL,
    update_time timestamp(0) with time zone DEFAULT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uniq_k UNIQUE (cat, k)
);
CREATE SCHEMA dtm_barrier;
CREATE SEQUENCE dtm_barrier.barrier_seq;
CREATE TABLE dtm_barrier.barrier (
    id          bigint NOT NULL DEFAULT NEXTVAL('dtm_barrier.barrier_seq'),
    trans_type  varchar(45) DEFAULT '',
    gid         varchar(128) DEFAULT '',
    branch_id   varchar(128) DEFAULT '',
    op          varchar(45) DEFAULT '',
    barrier_id  varchar(45) DEFAULT '',
    reason      varchar(45) DEFAULT '',
    create_time timestamp(0) with time zone DEFAULT NULL,
    update_time timestamp(0) with time zone DEFAULT NULL,
    PRIMARY KEY (id),
    CONSTRAINT uniq_barrier UNIQUE (gid, branch_id, op, barrier_id)
);
