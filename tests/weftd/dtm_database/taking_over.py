#!/usr/bin/env python3
"""weftd on the tables that a dtm server left behind: what was unfinished ends as it should, what was finished stays as it was.

    taking_over.py WEFTD [unittest arguments]

Runs with servers of its own (tests/servers/servers.py run), since it changes their time zone: WEFT_POSTGRES and WEFT_MYSQL say where they are.
"""

import base64
import contextlib
import datetime
import http.client
import http.server
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

PROGRAM = None
HERE = pathlib.Path(__file__).parent
SCHEMA = HERE.parents[2] / "src/store/sql/schema"
LONGEST_S = 60
# Debian's own psql is a script that looks for this one, for longer than a statement takes.
PSQL = next((str(p) for p in sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"), reverse=True)), "psql")


def eventually(what, seconds=LONGEST_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.05)
    return what()


class Participants:
    """All branches, in one place: records each call. `answers` of a path: a status, or a function of the call."""

    def __init__(self):
        self.calls, self.answers = [], {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                call = {"method": self.command, "path": url.path, "body": body, "headers": self.headers, "time": time.time(), "query": query,
                        **{k: query.get(k) for k in ("gid", "trans_type", "branch_id", "op")}}
                if url.path == "/json-rpc":
                    call["gid"] = json.loads(body)["params"]["gid"]
                outer.calls.append(call)
                status = outer.answers.get(url.path, 200)
                status = status(call) if callable(status) else status
                text = b'{"jsonrpc":"2.0","id":"1","result":{},"error":null}' if url.path == "/json-rpc" else b'{"dtm_result":"SUCCESS"}'
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def of(self, gid):
        return [(c["path"], c["op"], c["branch_id"], c["body"]) for c in self.calls if c["gid"] == gid]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# What dtm knows of a row, with times that do not depend on how they are kept.
TIMES = ("create_time", "update_time", "finish_time", "rollback_time", "next_cron_time")
GLOBAL = ("id, gid, trans_type, status, query_prepared, protocol, COALESCE(options, ''), COALESCE(custom_data, ''), next_cron_interval, owner, ext_data, result, "
          "rollback_reason")
BRANCH = "id, gid, url, branch_id, op, status"


class Postgres:
    hours = 0

    def __init__(self):
        self.url = os.environ["WEFT_POSTGRES"]
        self.command("CREATE DATABASE dtm", "postgres")
        self.run((HERE / "postgres.sql").read_text())

    def configuration(self):
        u = urllib.parse.urlsplit(self.url)
        return f"Store: {{Driver: postgres, Host: 127.0.0.1, Port: {u.port}, User: {u.username}, Password: '{u.password}', Db: dtm}}\n"

    def command(self, sql, database="dtm"):
        done = subprocess.run([PSQL, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", self.url.rsplit("/", 1)[0] + "/" + database], input=sql, text=True,
                              capture_output=True, timeout=LONGEST_S)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    run = command

    def rows(self, sql):
        return [line.split("|") for line in self.run(sql).splitlines()]

    def epoch(self, column):
        return f"extract(epoch FROM {column})::bigint"

    def remove(self):
        self.command("DROP DATABASE dtm WITH (FORCE)", "postgres")


class Mysql:
    def __init__(self, zone="+00:00", hours=0):
        self.url, self.hours = os.environ["WEFT_MYSQL"], hours
        self.command(f"SET GLOBAL time_zone = '{zone}'", "mysql")
        self.command((HERE / "mysql.sql").read_text(), "mysql")

    def configuration(self):
        u = urllib.parse.urlsplit(self.url)
        return f"Store: {{Driver: mysql, Host: 127.0.0.1, Port: {u.port}, User: {u.username}, Password: '{u.password}'}}\n"

    def command(self, sql, database="dtm"):
        u = urllib.parse.urlsplit(self.url)
        done = subprocess.run(["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(u.port), "-u", u.username, "-N", "-B", "--default-character-set=utf8mb4",
                               database], input=sql, text=True, capture_output=True, timeout=LONGEST_S, env={**os.environ, "MYSQL_PWD": u.password})
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return done.stdout

    run = command

    def rows(self, sql):
        return [line.split("\t") for line in self.run(sql).splitlines()]

    # As weft keeps it; before, in the server's zone.
    def epoch(self, column):
        return f"FLOOR(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {column}) DIV 1000000)"

    def remove(self):
        self.command("DROP DATABASE dtm; DROP DATABASE dtm_barrier; SET GLOBAL time_zone = 'SYSTEM'", "mysql")


class Served:
    """weftd on a database that `made` makes, and participants."""

    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="taking-over-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.port = None
        self.participants = Participants()
        self.addCleanup(self.participants.close)
        self.database = self.made()
        self.addCleanup(lambda: self.database.remove())

    def fill(self):
        self.filled = time.time()

        def written(match):
            at = datetime.datetime.fromtimestamp(self.filled + int(match.group(1)), datetime.timezone.utc) + datetime.timedelta(hours=self.database.hours)
            return at.strftime("'%Y-%m-%d %H:%M:%S" + ("+00'" if isinstance(self.database, Postgres) else "'"))

        self.database.run(re.sub(r"\{(-?\d+)s\}", written, (HERE / "rows.sql").read_text()).replace("{url}", self.participants.url))

    def start(self, wait=True, **variables):
        (self.home / "conf.yml").write_text(self.database.configuration() + "\nHttpPort: 0\n")
        self.log = self.home / "log"
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR") or k.endswith("SAN_OPTIONS")}
        with open(self.log, "wb") as log:
            process = subprocess.Popen([PROGRAM, "-c", "conf.yml"], cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**kept, **variables})
        self.addCleanup(process.wait, LONGEST_S)
        self.addCleanup(process.kill)
        if wait:
            listening = re.compile(r"listening on http://\S+:(\d+);")
            eventually(lambda: listening.search(self.log.read_text()) or process.poll() is not None)
            found = listening.search(self.log.read_text())
            self.assertTrue(found, self.log.read_text())
            self.port = int(found.group(1))
        return process

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LONGEST_S), 0, self.log.read_text())

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_S)
        try:
            connection.request(method, "/api/dtmsvr/" + path, None if body is None else json.dumps(body))
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def post(self, path, **body):
        status, answer = self.ask("POST", path, body)
        self.assertEqual(status, 200, answer)
        return answer

    def query(self, gid):
        return self.ask("GET", "query?gid=" + gid)[1]

    def status(self, gid):
        return self.query(gid)["transaction"]["status"]

    def ends(self, gid, status):
        self.assertTrue(eventually(lambda: self.status(gid) == status), f"{gid}: {self.query(gid)}\n{self.log.read_text()}")

    def snapshot(self, like, shifted=0):
        """The rows whose gid is like that, as dtm knows them. The times' zone was another, before."""
        def times(names):
            return ", ".join(f"{self.database.epoch(c)} - {shifted}" for c in names)
        return (self.database.rows(f"SELECT {GLOBAL}, {times(TIMES)} FROM trans_global WHERE gid LIKE '{like}' ORDER BY id"),
                self.database.rows(f"SELECT {BRANCH}, bin_data, {times(TIMES[:4])} FROM trans_branch_op WHERE gid LIKE '{like}' ORDER BY id"))


class TakingOver(Served):
    """Of one kind of server."""

    def test_what_was_unfinished_ends_as_it_should(self):
        self.participants.answers["/msg/not-meant"] = 409
        progresses = []

        def workflow(call):
            """The workflow's engine, in whatever language: finds what it has done, does the rest, and says how it ended."""
            if progresses or not eventually(lambda: self.port):
                return 200
            prepared = self.post("prepareWorkflow", gid=call["gid"], trans_type="workflow", query_prepared=self.participants.url + "/workflow",
                                 custom_data=json.dumps({"name": "order", "data": base64.b64encode(call["body"].encode()).decode()}))
            progresses.append(prepared)
            self.post("registerBranch", gid=call["gid"], trans_type="workflow", branch_id="02", op="action", status="succeed", data="2")
            self.post("submit", gid=call["gid"], trans_type="workflow", req_extra={"status": "succeed", "result": "ImRvbmUi"})
            return 200

        self.participants.answers["/workflow"] = workflow
        self.fill()
        self.start()
        of, url = self.participants.of, self.participants.url

        self.ends("saga-submitted", "succeed")
        self.assertEqual(of("saga-submitted"), [("/submitted/two/do", "action", "02", '{"n":2}')])
        self.ends("saga-aborting", "failed")
        self.assertEqual(of("saga-aborting"), [("/aborting/one/undo", "compensate", "01", '{"n":1}')])
        self.assertEqual(self.query("saga-aborting")["transaction"]["rollback_reason"], f"url:{url}/aborting/two/do return failed: no money")
        self.ends("saga-json-rpc", "succeed")
        [rpc] = [json.loads(c["body"]) for c in self.participants.calls if c["gid"] == "saga-json-rpc"]
        self.assertEqual((rpc["method"], rpc["params"]), ("Do", {"n": 1, "gid": "saga-json-rpc", "trans_type": "saga", "branch_id": "01", "op": "action"}))
        self.ends("saga-old", "succeed")
        self.assertEqual(of("saga-old"), [("/old/do", "action", "01", '{"old":1}')])
        self.ends("saga-orders", "succeed")
        self.assertEqual([path for path, *_ in of("saga-orders")], ["/orders/first/do", "/orders/last/do"])

        self.ends("tcc-prepared", "failed")
        self.assertEqual(of("tcc-prepared"), [("/tcc/gone/cancel-2", "cancel", "02", '{"n":2}'), ("/tcc/gone/cancel-1", "cancel", "01", '{"n":1}')])
        self.assertEqual(self.query("tcc-prepared")["transaction"]["rollback_reason"], "Timeout after 35 seconds")
        self.ends("tcc-submitted", "succeed")
        self.assertEqual(of("tcc-submitted"), [("/tcc/submitted/confirm-1", "confirm", "01", '{"n":1}')])
        self.ends("tcc-aborting", "failed")
        self.assertEqual(of("tcc-aborting"), [("/tcc/aborting/cancel-1", "cancel", "01", '{"n":1}')])
        self.ends("xa-submitted", "succeed")
        self.assertEqual(of("xa-submitted"), [("/xa/submitted-2", "commit", "02", "")])
        self.ends("xa-aborting", "failed")
        self.assertEqual(of("xa-aborting"), [("/xa/aborting-1", "rollback", "01", ""), ("/xa/aborting-2", "rollback", "02", "")])
        self.assertEqual({c["method"] for c in self.participants.calls if c["path"].startswith("/xa/")}, {"POST"})

        self.ends("msg-prepared", "succeed")
        self.assertEqual(of("msg-prepared"), [("/msg/meant", "msg", "00", ""), ("/msg/meant/do", "action", "01", '{"n":1}')])
        self.ends("msg-prepared-no", "failed")
        self.assertEqual(of("msg-prepared-no"), [("/msg/not-meant", "msg", "00", "")])
        self.ends("msg-submitted", "succeed")
        self.assertEqual(of("msg-submitted"), [("/msg/half/two", "action", "01-02", '{"n":1}')])
        self.ends("msg-delayed", "succeed")
        [delayed] = [c for c in self.participants.calls if c["gid"] == "msg-delayed"]
        self.assertGreaterEqual(delayed["time"], int(self.filled) + 3)

        self.ends("workflow-prepared", "succeed")
        self.assertEqual(of("workflow-prepared")[0], ("/workflow", "order", "00", '{"number":7}'))
        [step] = progresses[0]["progresses"]
        self.assertEqual((step["branch_id"], step["op"], step["status"], base64.b64decode(step["bin_data"])), ("01", "action", "succeed", b'{"reserved":7}'))
        self.assertEqual(self.query("workflow-prepared")["transaction"]["result"], "ImRvbmUi")

        # Whose client has not said anything yet can still do so, and what is due later waits until then.
        self.assertEqual((self.status("tcc-young"), self.status("saga-later")), ("prepared", "submitted"))
        self.assertEqual((of("tcc-young"), of("saga-later")), ([], []))
        self.post("registerBranch", gid="tcc-young", trans_type="tcc", branch_id="02", data='{"n":2}', confirm=url + "/tcc/young/confirm-2", cancel="")
        self.post("submit", gid="tcc-young", trans_type="tcc")
        self.ends("tcc-young", "succeed")
        self.assertEqual([path for path, *_ in of("tcc-young")], ["/tcc/young/confirm-2", "/tcc/young/confirm-1"])
        self.post("resetNextCronTime", gid="saga-later")
        self.ends("saga-later", "succeed")
        self.assertEqual(of("saga-later"), [("/later/do", "action", "01", '{"n":1}')])

        # What is for gRPC waits, longer each time, and is never given up; a person may.
        self.assertTrue(eventually(lambda: self.query("saga-grpc")["transaction"]["next_cron_interval"] == 20), self.query("saga-grpc"))
        self.assertEqual(self.status("saga-grpc"), "submitted")
        self.post("forceStop", gid="saga-grpc")
        self.assertEqual(self.status("saga-grpc"), "failed")

    def test_headers_of_an_older_dtm_are_sent(self):
        self.fill()
        self.start()
        self.ends("saga-headers", "succeed")
        [call] = [c for c in self.participants.calls if c["gid"] == "saga-headers"]
        self.assertEqual((call["headers"]["x-tenant"], call["headers"].get_all("x-user")), ("42", ["7"]))

    def test_what_was_finished_stays_as_it_was(self):
        self.fill()
        before = self.snapshot("done-%", self.database.hours * 3600)
        self.assertEqual((len(before[0]), len(before[1])), (9, 5))
        process = self.start()
        self.ends("saga-submitted", "succeed")
        listed, position = [], ""
        while True:
            page = self.ask("GET", f"all?limit=7&position={position}")[1]
            listed += [t["gid"] for t in page["transactions"] or []]
            position = page["next_position"]
            if not position:
                break
        everything = [row[0] for row in self.database.rows("SELECT gid FROM trans_global ORDER BY id DESC")]
        self.assertEqual((listed, len(listed)), (everything, 28))
        failed = self.ask("GET", "all?status=failed&transType=workflow")[1]["transactions"]
        self.assertEqual([(t["gid"], t["rollback_reason"]) for t in failed], [("done-workflow-no", "no money")])
        self.assertEqual([b["status"] for b in self.query("done-saga-undone")["branches"]], ["succeed", "failed"])
        again = self.post("prepareWorkflow", gid="done-workflow", trans_type="workflow", query_prepared="", custom_data="")
        self.assertEqual((again["transaction"]["status"], again["transaction"]["result"]), ("succeed", "InNoaXBwZWQi"))
        self.stop(process)
        self.assertEqual(self.snapshot("done-%"), before)
        self.assertNotIn("/never", [c["path"] for c in self.participants.calls])

        # Taken over once: the next start finds its own tables, and nothing moves.
        process = self.start()
        self.stop(process)
        self.assertEqual(self.snapshot("done-%"), before)

    def test_what_was_finished_long_ago_can_be_removed(self):
        self.fill()
        process = self.start(WEFT_RETENTION="3h", WEFT_RETENTION_INTERVAL="1", LOG_LEVEL="debug")
        self.ends("saga-submitted", "succeed")
        self.stop(process)
        self.assertEqual([len(rows) for rows in self.snapshot("done-%")], [9, 5])
        self.start(WEFT_RETENTION="1h", WEFT_RETENTION_INTERVAL="1")
        self.assertTrue(eventually(lambda: [len(rows) for rows in self.snapshot("done-%")] == [0, 0]), self.log.read_text())
        self.assertEqual(self.status("saga-submitted"), "succeed")

    def test_new_ones_find_a_weft_store(self):
        self.fill()
        self.start()
        url = self.participants.url
        # To the topic that dtm's clients subscribed to.
        self.post("submit", gid="paid-1", trans_type="msg", steps=[{"action": "topic://paid"}], payloads=['{"order":1}'])
        self.ends("paid-1", "succeed")
        self.assertEqual(sorted(self.participants.of("paid-1")), [("/paid/ship", "action", "01-01", '{"order":1}'), ("/paid/thank", "action", "01-02", '{"order":1}')])
        # Longer than dtm's columns, and a gid that differs by its case only.
        long = json.dumps({"text": "x" * 100_000})
        for gid in ("long", "LONG", "long "):
            self.post("submit", gid=gid, trans_type="saga", steps=[{"action": url + "/long", "compensate": ""}], payloads=[long],
                      branch_headers={"x-long": "y" * 3_000}, wait_result=True)
        self.assertEqual([len(c["body"]) for c in self.participants.calls if c["path"] == "/long"], [len(long)] * 3)

    def test_a_dtm_server_could_go_on_with_them_and_weft_take_them_over_again(self):
        """dtm's own statements, on what weft has made of the tables; and then what it has left behind once more."""
        self.fill()
        before = self.snapshot("done-%", self.database.hours * 3600)
        process = self.start()
        self.ends("saga-submitted", "succeed")
        self.stop(process)
        postgres = isinstance(self.database, Postgres)
        if not postgres:
            self.database.run((HERE / "going_back.sql").read_text())
        self.database.run("INSERT INTO trans_global (gid, trans_type, status, query_prepared, protocol, create_time, update_time, finish_time, rollback_time, "
                          "options, custom_data, next_cron_interval, next_cron_time, owner, ext_data, result, rollback_reason) VALUES "
                          "('of-dtm', 'saga', 'submitted', '', 'http', now(), now(), NULL, NULL, '{\"concurrent\":false}', '', 10, now(), '', '', '', '');\n"
                          "INSERT INTO trans_branch_op (gid, url, data, bin_data, branch_id, op, status, finish_time, rollback_time, create_time, update_time) "
                          f"VALUES ('of-dtm', '', NULL, '{{}}', '01', 'compensate', 'prepared', NULL, NULL, now(), now()), "
                          f"('of-dtm', '{self.participants.url}/of-dtm', NULL, '{{}}', '01', 'action', 'prepared', NULL, NULL, now(), now());\n"
                          "UPDATE trans_global SET update_time = now(), next_cron_time = now(), owner = 'WBZT3m5RYX4fEHbAnmpCeD' WHERE gid = 'of-dtm' AND "
                          "status IN ('prepared', 'aborting', 'submitted');\n"
                          "INSERT INTO trans_branch_op (gid, url, branch_id, op, status) VALUES ('of-dtm', '', '01', 'compensate', 'prepared') " +
                          ("ON CONFLICT ON CONSTRAINT gid_branch_uniq DO UPDATE SET status = excluded.status" if postgres else
                           "ON DUPLICATE KEY UPDATE status = VALUES(status)"))
        store = self.database.rows("SELECT v FROM kv WHERE cat = 'store' AND k = 'id'")
        self.database.run("DELETE FROM kv WHERE cat = 'schema'")
        process = self.start()
        self.ends("of-dtm", "succeed")
        self.assertEqual(self.participants.of("of-dtm"), [("/of-dtm", "action", "01", "{}")])
        self.stop(process)
        self.assertEqual(self.snapshot("done-%"), before)
        self.assertEqual(self.database.rows("SELECT v FROM kv WHERE cat = 'store' AND k = 'id'"), store)

    def refused(self, *reasons):
        self.fill()
        before = self.snapshot("%")
        process = self.start(wait=False)
        self.assertEqual(process.wait(LONGEST_S), 2, self.log.read_text())
        for reason in reasons:
            self.assertIn(reason, self.log.read_text())
        self.assertEqual(self.snapshot("%"), before)
        self.assertEqual(self.participants.calls, [])

    def test_tables_of_which_one_is_missing_are_refused(self):
        self.fill = lambda: None
        self.snapshot = lambda _: None
        self.database.run("DROP TABLE trans_branch_op")
        self.refused("there is no trans_branch_op")

    def test_a_table_of_somebody_elses_is_refused(self):
        self.fill = lambda: None
        self.snapshot = lambda _: self.database.rows("SELECT * FROM kv")
        self.database.run("DROP TABLE kv; CREATE TABLE kv (name varchar(10) PRIMARY KEY, v text); INSERT INTO kv VALUES ('mine', 'stays')")
        self.refused("kv.cat is missing", "kv has no unique key (cat, k)")

    def test_a_key_that_is_missing_is_refused(self):
        self.database.run("ALTER TABLE trans_branch_op " + ("DROP CONSTRAINT gid_branch_uniq" if isinstance(self.database, Postgres) else "DROP KEY gid_uniq"))
        self.refused("trans_branch_op has no unique key (gid, branch_id, op)")

    def test_columns_of_another_type_are_refused(self):
        self.database.run("ALTER TABLE trans_branch_op DROP COLUMN bin_data, ADD COLUMN bin_data int")
        self.fill = lambda: None
        self.refused("trans_branch_op.bin_data is int")


class OnPostgres(TakingOver, unittest.TestCase):
    made = Postgres

    def test_columns_that_are_missing_are_refused(self):
        self.fill = lambda: None
        self.snapshot = lambda _: None
        self.database.run("ALTER TABLE trans_global DROP COLUMN result, DROP COLUMN next_cron_time")
        self.refused("trans_global.next_cron_time is missing", "trans_global.result is missing", "dtm 1.19")


class OnAnyMysql(TakingOver):
    def test_taking_over_that_was_interrupted_goes_on(self):
        """MySQL commits each change of a table by itself: what weft's script has done by any of its statements, and no more."""
        script = re.sub(r"--.*\n", "", (SCHEMA / "mysql_dtm.sql").read_text()).replace("{prefix}", "").replace("{collation}", "utf8mb4_nopad_bin")
        statements = [s for s in script.split(";\n") if s.strip()]
        for done in (2, 4, len(statements)):
            with self.subTest(statements=done):
                self.fill()
                before = self.snapshot("done-%", self.database.hours * 3600)
                self.database.run("SET sql_mode = 'STRICT_ALL_TABLES';\n" + ";\n".join(statements[:done]))
                process = self.start()
                for gid, status in (("saga-submitted", "succeed"), ("tcc-prepared", "failed"), ("msg-delayed", "succeed")):
                    self.ends(gid, status)
                self.stop(process)
                self.assertEqual(self.snapshot("done-%"), before)
            self.database.remove()
            self.database = self.made()


class OnMysql(OnAnyMysql, unittest.TestCase):
    made = Mysql

    def test_a_column_that_is_missing_is_refused(self):
        self.fill = lambda: None
        self.snapshot = lambda _: None
        self.database.run("ALTER TABLE trans_global DROP COLUMN result")
        self.refused("trans_global.result is missing", "dtm 1.19")


class OnMysqlInShanghai(OnAnyMysql, unittest.TestCase):
    """dtm writes the server's local time."""

    def made(self):
        return Mysql("+08:00", 8)


class MysqlOfTheUser(Mysql):
    """A server with the tables of the user's own scripts, as his conf.yml wants it; its address apart."""
    SCRIPTS = HERE / "users_own"

    def __init__(self):
        super().__init__("+00:00", 8)
        for script in ("dtmsvr.sql", "dtm_barrier.sql", "dtm_busi.sql"):
            self.command((self.SCRIPTS / script).read_text(), "mysql")
        self.command("CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '123456'; GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION", "mysql")

    def configuration(self):
        text = (self.SCRIPTS / "conf.yml").read_text()
        for line, instead in (("  Port: 3306\n", f"  Port: {urllib.parse.urlsplit(self.url).port}\n"), ("HttpPort: 36789\n", ""),
                              ("TimeZoneOffset: '+8'", f"TimeZoneOffset: '{self.hours:+}'")):
            assert line in text
            text = text.replace(line, instead, 1)
        return text

    def remove(self):
        self.command("DROP DATABASE dtm_busi", "mysql")
        super().remove()


class AsTheUserHasIt(Served, unittest.TestCase):
    """His conf.yml and his scripts as they stand: TimeZoneOffset +8 on a server whose own zone is UTC, a registry that is not there, debug."""
    made = MysqlOfTheUser

    def test_it_starts_and_shows_his_times(self):
        process = self.start()
        log = self.log.read_text()
        for key in ("MicroService.Driver", "MicroService.Target", "GrpcPort", "JsonRpcPort", "Store.MaxOpenConns", "UpdateBranchAsyncGoroutineNum"):
            self.assertRegex(log, rf"warning conf\.yml:\d+: {re.escape(key)} has no effect")
        self.assertRegex(log, r"(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+08:00 info listening on ")
        self.assertNotRegex(log, r"(?m)^\S+Z ")
        self.post("submit", gid="new", trans_type="saga", steps=[{"action": self.participants.url + "/new", "compensate": ""}], payloads=["{}"],
                  wait_result=True)
        times = [self.query("new")["transaction"][t] for t in ("create_time", "finish_time")]
        times += [self.query("new")["branches"][1]["finish_time"], self.ask("GET", "all?limit=1")[1]["transactions"][0]["create_time"]]
        for shown in times:
            self.assertRegex(shown, r"\+08:00$")
            self.assertLess(abs(datetime.datetime.fromisoformat(shown).timestamp() - time.time()), 30)
        [[kept]] = self.database.rows(f"SELECT {self.database.epoch('create_time')} FROM trans_global WHERE gid = 'new'")
        self.assertLess(abs(int(kept) - time.time()), 30)
        self.stop(process)

    def test_what_his_dtm_wrote_is_read_at_his_offset(self):
        self.fill()
        before = self.snapshot("done-%", 8 * 3600)
        process = self.start()
        self.ends("msg-delayed", "succeed")
        [delayed] = [c for c in self.participants.calls if c["gid"] == "msg-delayed"]
        self.assertGreaterEqual(delayed["time"], int(self.filled) + 3)
        self.assertEqual((self.status("tcc-young"), self.status("saga-later")), ("prepared", "submitted"))
        self.stop(process)
        self.assertEqual(self.snapshot("done-%"), before)

    def test_the_farthest_offsets_are_read(self):
        for hours in (14, -14):
            with self.subTest(hours=hours):
                self.database.hours = hours
                self.fill()
                before = self.snapshot("done-%", hours * 3600)
                self.stop(self.start())
                self.assertEqual(self.snapshot("done-%"), before)
            self.database.remove()
            self.database = self.made()


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
