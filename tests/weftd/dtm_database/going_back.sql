UPDATE kv SET create_time = CONVERT_TZ(create_time, '+00:00', @@global.time_zone), update_time = CONVERT_TZ(update_time, '+00:00', @@global.time_zone);
UPDATE trans_global SET create_time = CONVERT_TZ(create_time, '+00:00', @@global.time_zone), update_time = CONVERT_TZ(update_time, '+00:00', @@global.time_zone),
    finish_time = CONVERT_TZ(finish_time, '+00:00', @@global.time_zone), rollback_time = CONVERT_TZ(rollback_time, '+00:00', @@global.time_zone),
    next_cron_time = CONVERT_TZ(next_cron_time, '+00:00', @@global.time_zone);
UPDATE trans_branch_op SET create_time = CONVERT_TZ(create_time, '+00:00', @@global.time_zone), update_time = CONVERT_TZ(update_time, '+00:00', @@global.time_zone),
    finish_time = CONVERT_TZ(finish_time, '+00:00', @@global.time_zone), rollback_time = CONVERT_TZ(rollback_time, '+00:00', @@global.time_zone);
