-- What a dtm server left when it was stopped. {…s} is a time, that many seconds from now, as dtm writes it: in the server's own zone;
-- {url} is where the participants are. Owners are those of dtm's poller; nobody takes them back.

INSERT INTO kv (cat, k, v, version, create_time, update_time) VALUES
    ('topics', 'paid', '[{"url":"{url}/paid/ship","remark":"ships"},{"url":"{url}/paid/thank","remark":"thanks"}]', 2, {-7200s}, {-7200s});

INSERT INTO trans_global
    (gid, trans_type, status, query_prepared, protocol, create_time, update_time, finish_time, rollback_time, options, custom_data,
     next_cron_interval, next_cron_time, owner, ext_data, result, rollback_reason) VALUES

-- unfinished sagas: the first of two steps is done; one is undone half; one has the headers of an older dtm; one is JSON-RPC; one waits an hour;
-- one has its payloads where an older dtm put them; one is for gRPC, which is not there yet
('saga-submitted', 'saga', 'submitted', '', 'http', {-3600s}, {-3500s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3490s}, 'WBZT3m5RYX4fEHbAnmpCeD', '', '', ''),
('saga-aborting',  'saga', 'aborting',  '', 'http', {-3600s}, {-3500s}, NULL, NULL, '{"wait_result":true,"concurrent":false}', '', 20, {-3480s}, 'kMVdo9LVXQnfZ4kqbYhwUS', '', '', 'url:{url}/aborting/two/do return failed: no money'),
('saga-headers',   'saga', 'submitted', '', 'http', {-3600s}, {-3500s}, NULL, NULL, '{"branch_headers":{"x-user":"7"},"concurrent":false}', '', 10, {-1s}, '', '{"headers":{"x-tenant":"42","x-user":"none"}}', '', ''),
('saga-json-rpc',  'saga', 'submitted', '', 'json-rpc', {-3600s}, {-3500s}, NULL, NULL, '{"request_timeout":5,"concurrent":false}', '', 10, {-1s}, 'gT9mzQy7LQSNm5vyFkCVdE', '', '', ''),
('saga-later',     'saga', 'submitted', '', 'http', {-3600s}, {-3500s}, NULL, NULL, '{"retry_interval":3600,"concurrent":false}', '', 3600, {3600s}, '', '', '', ''),
('saga-old',       'saga', 'submitted', '', 'http', {-3600s}, {-3500s}, NULL, NULL, '', NULL, 10, NULL, '', NULL, NULL, NULL),
('saga-orders',    'saga', 'submitted', '', 'http', {-3600s}, {-3500s}, NULL, NULL, '{"concurrent":true}', '{"concurrent":true,"orders":{"0":[1]}}', 10, {-1s}, '', '', '', ''),
('saga-grpc',      'saga', 'submitted', '', 'grpc', {-3600s}, {-3500s}, NULL, NULL, '{"concurrent":false}', '', 10, {-1s}, '', '', '', ''),

-- unfinished tccs: whose client has gone; whose client comes back; half confirmed; half cancelled
('tcc-prepared',   'tcc', 'prepared',  '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, 'Yd2y9RyfUQtHgqYcRMbvJn', '', '', ''),
('tcc-young',      'tcc', 'prepared',  '', 'http', {-60s},   {-60s},   NULL, NULL, '{"timeout_to_fail":7200,"concurrent":false}', '', 10, {-50s}, 'Yd2y9RyfUQtHgqYcRMbvJn', '', '', ''),
('tcc-submitted',  'tcc', 'submitted', '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, 'mWcqWEoJdTwLoJ6CLmtFab', '', '', ''),
('tcc-aborting',   'tcc', 'aborting',  '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 80, {-3590s}, 'mWcqWEoJdTwLoJ6CLmtFab', '', '', 'Timeout after 0 seconds'),

('xa-submitted',   'xa', 'submitted', '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, 'ocr4WUFZDRJQ7wD3AwMyyf', '', '', ''),
('xa-aborting',    'xa', 'aborting',  '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, '', '', '', 'the client said so'),

-- unfinished messages: was it meant (yes, no); half delivered; to be delivered three seconds from now
('msg-prepared',    'msg', 'prepared',  '{url}/msg/meant',     'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, 'AGqgGXZM6FGLBM3dYHvhDe', '', '', ''),
('msg-prepared-no', 'msg', 'prepared',  '{url}/msg/not-meant', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '', 10, {-3590s}, '', '', '', ''),
('msg-submitted',   'msg', 'submitted', '{url}/msg/never',     'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":true}', '', 20, {-3590s}, '', '', '', ''),
('msg-delayed',     'msg', 'submitted', '', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '{"delay":3603}', 10, {3s}, '', '', '', ''),

-- a workflow whose engine has gone after its first step
('workflow-prepared', 'workflow', 'prepared', '{url}/workflow', 'http', {-3600s}, {-3600s}, NULL, NULL, '{"concurrent":false}', '{"name":"order","data":"eyJudW1iZXIiOjd9"}', 10, {-3590s}, 'RDxnLMBeVbtZcMP5dLjpw9', '', '', ''),

-- finished ones
('done-saga',       'saga', 'succeed', '', 'http', {-7200s}, {-7190s}, {-7190s}, NULL, '{"concurrent":false}', '', 10, {-7180s}, 'old owner', '', '', ''),
('done-saga-undone','saga', 'failed',  '', 'http', {-7200s}, {-7190s}, NULL, {-7190s}, '{"concurrent":false}', '', 10, {-7180s}, '', '{"headers":{"x-tenant":"42"}}', '', 'url:{url}/x return failed: no'),
('done-tcc',        'tcc', 'succeed',  '', 'http', {-7200s}, {-7190s}, {-7190s}, NULL, '{"concurrent":false}', '', 10, {-7180s}, '', '', '', ''),
('done-tcc-undone', 'tcc', 'failed',   '', 'grpc', {-7200s}, {-7190s}, NULL, {-7190s}, '{"concurrent":false}', '', 10, {-7180s}, '', '', '', 'Timeout after 0 seconds'),
('done-xa',         'xa', 'succeed',   '', 'http', {-7200s}, {-7190s}, {-7190s}, NULL, '{"concurrent":false}', '', 10, {-7180s}, '', '', '', ''),
('done-msg',        'msg', 'succeed',  '{url}/never', 'http', {-7200s}, {-7190s}, {-7190s}, NULL, '{"concurrent":false}', '', 10, {-7180s}, '', '', '', ''),
('done-msg-no',     'msg', 'failed',   '{url}/never', 'http', {-7200s}, {-7190s}, NULL, {-7190s}, '{"concurrent":false}', '', 10, {-7180s}, '', '', '', ''),
('done-workflow',   'workflow', 'succeed', '{url}/never', 'http', {-7200s}, {-7190s}, {-7190s}, NULL, '{"concurrent":false}', '{"name":"order","data":"Ng=="}', 10, {-7180s}, '', '', 'InNoaXBwZWQi', ''),
('done-workflow-no','workflow', 'failed', '{url}/never', 'http', {-7200s}, {-7190s}, NULL, {-7190s}, '{"concurrent":false}', '{"name":"order","data":""}', 10, {-7180s}, '', '', '', 'no money');

INSERT INTO trans_branch_op (gid, url, data, bin_data, branch_id, op, status, finish_time, rollback_time, create_time, update_time) VALUES
('saga-submitted', '{url}/submitted/one/undo', NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-submitted', '{url}/submitted/one/do',   NULL, '{"n":1}', '01', 'action',     'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('saga-submitted', '{url}/submitted/two/undo', NULL, '{"n":2}', '02', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-submitted', '{url}/submitted/two/do',   NULL, '{"n":2}', '02', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-aborting',  '{url}/aborting/one/undo',  NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-aborting',  '{url}/aborting/one/do',    NULL, '{"n":1}', '01', 'action',     'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('saga-aborting',  '{url}/aborting/two/undo',  NULL, '{"n":2}', '02', 'compensate', 'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('saga-aborting',  '{url}/aborting/two/do',    NULL, '{"n":2}', '02', 'action',     'failed',   NULL, {-3500s}, {-3600s}, {-3500s}),
('saga-headers',   '',                         NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-headers',   '{url}/headers/do',         NULL, '{"n":1}', '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-json-rpc',  '{url}/json-rpc?method=Undo', NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-json-rpc',  '{url}/json-rpc?method=Do',   NULL, '{"n":1}', '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-later',     '{url}/later/undo',         NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-later',     '{url}/later/do',           NULL, '{"n":1}', '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-old',       '{url}/old/undo', '{"old":1}', NULL, '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-old',       '{url}/old/do',   '{"old":1}', NULL, '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-orders',    '{url}/orders/last/undo',   NULL, '{"n":1}', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-orders',    '{url}/orders/last/do',     NULL, '{"n":1}', '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-orders',    '{url}/orders/first/undo',  NULL, '{"n":2}', '02', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-orders',    '{url}/orders/first/do',    NULL, '{"n":2}', '02', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-grpc',      'busi:50589/busi.Busi/TransOutRevert', NULL, 'x', '01', 'compensate', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('saga-grpc',      'busi:50589/busi.Busi/TransOut',       NULL, 'x', '01', 'action',     'prepared', NULL, NULL, {-3600s}, {-3600s}),

('tcc-prepared',   '{url}/tcc/gone/cancel-1',  NULL, '{"n":1}', '01', 'cancel',  'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-prepared',   '{url}/tcc/gone/confirm-1', NULL, '{"n":1}', '01', 'confirm', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-prepared',   '{url}/tcc/gone/cancel-2',  NULL, '{"n":2}', '02', 'cancel',  'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-prepared',   '{url}/tcc/gone/confirm-2', NULL, '{"n":2}', '02', 'confirm', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-young',      '{url}/tcc/young/cancel-1',  NULL, '{"n":1}', '01', 'cancel',  'prepared', NULL, NULL, {-60s}, {-60s}),
('tcc-young',      '{url}/tcc/young/confirm-1', NULL, '{"n":1}', '01', 'confirm', 'prepared', NULL, NULL, {-60s}, {-60s}),
('tcc-submitted',  '{url}/tcc/submitted/cancel-1',  NULL, '{"n":1}', '01', 'cancel',  'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-submitted',  '{url}/tcc/submitted/confirm-1', NULL, '{"n":1}', '01', 'confirm', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-submitted',  '{url}/tcc/submitted/cancel-2',  NULL, '{"n":2}', '02', 'cancel',  'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-submitted',  '{url}/tcc/submitted/confirm-2', NULL, '{"n":2}', '02', 'confirm', 'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('tcc-aborting',   '{url}/tcc/aborting/cancel-1',   NULL, '{"n":1}', '01', 'cancel',  'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-aborting',   '{url}/tcc/aborting/confirm-1',  NULL, '{"n":1}', '01', 'confirm', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('tcc-aborting',   '{url}/tcc/aborting/cancel-2',   NULL, '{"n":2}', '02', 'cancel',  'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('tcc-aborting',   '{url}/tcc/aborting/confirm-2',  NULL, '{"n":2}', '02', 'confirm', 'prepared', NULL, NULL, {-3600s}, {-3600s}),

('xa-submitted', '{url}/xa/submitted-1', NULL, NULL, '01', 'rollback', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-submitted', '{url}/xa/submitted-1', NULL, NULL, '01', 'commit',   'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('xa-submitted', '{url}/xa/submitted-2', NULL, NULL, '02', 'rollback', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-submitted', '{url}/xa/submitted-2', NULL, NULL, '02', 'commit',   'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-aborting',  '{url}/xa/aborting-1',  NULL, NULL, '01', 'rollback', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-aborting',  '{url}/xa/aborting-1',  NULL, NULL, '01', 'commit',   'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-aborting',  '{url}/xa/aborting-2',  NULL, NULL, '02', 'rollback', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('xa-aborting',  '{url}/xa/aborting-2',  NULL, NULL, '02', 'commit',   'prepared', NULL, NULL, {-3600s}, {-3600s}),

('msg-prepared',    '{url}/msg/meant/do',     NULL, '{"n":1}', '01', 'action', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('msg-prepared-no', '{url}/msg/not-meant/do', NULL, '{"n":1}', '01', 'action', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('msg-submitted',   '{url}/msg/half/one',     NULL, '{"n":1}', '01-01', 'action', 'succeed',  {-3500s}, NULL, {-3600s}, {-3500s}),
('msg-submitted',   '{url}/msg/half/two',     NULL, '{"n":1}', '01-02', 'action', 'prepared', NULL, NULL, {-3600s}, {-3600s}),
('msg-delayed',     '{url}/msg/delayed/do',   NULL, '{"n":1}', '01', 'action', 'prepared', NULL, NULL, {-3600s}, {-3600s}),

('workflow-prepared', '', NULL, '{"reserved":7}', '01', 'action', 'succeed', {-3600s}, NULL, {-3600s}, {-3600s}),

('done-saga',       '{url}/never', NULL, '{}', '01', 'compensate', 'prepared', NULL, NULL, {-7200s}, {-7200s}),
('done-saga',       '{url}/never', NULL, '{}', '01', 'action',     'succeed',  {-7190s}, NULL, {-7200s}, {-7190s}),
('done-saga-undone','{url}/never', NULL, '{}', '01', 'compensate', 'succeed',  {-7190s}, NULL, {-7200s}, {-7190s}),
('done-saga-undone','{url}/never', NULL, '{}', '01', 'action',     'failed',   NULL, {-7190s}, {-7200s}, {-7190s}),
('done-workflow',   '', NULL, '"shipped"', '01', 'action', 'succeed', {-7190s}, NULL, {-7200s}, {-7190s});
