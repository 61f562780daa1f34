#!/usr/bin/env python3
"""What dtm's own client libraries send, sent by curl, and its answers read as those libraries read them.

    stock_clients.py WEFTD [unittest arguments]

The bodies are those of dtmcli in Go (marshalled structs: every key without omitempty is there, "protocol" is empty), of Python's and of Node's.
"""

import base64
import contextlib
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
LONGEST_S = 60
GO = ["-H", "Content-Type: application/json", "-H", "User-Agent: go-resty/2.7.0 (https://github.com/go-resty/resty)", "-H", "Accept-Encoding: gzip"]


class Refused(Exception):
    pass


def eventually(what, seconds=LONGEST_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    return what()


class StockClients(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="stock-clients-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.calls, self.answers = [], {}
        outer = self

        class Branch(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                url = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(url.query))
                outer.calls.append((self.command, url.path, query, body))
                status, text = outer.answers.get(url.path, lambda *_: (200, '{"dtm_result":"SUCCESS"}'))(query, body)
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text.encode())

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Branch)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.busi = f"http://127.0.0.1:{self.server.server_port}"

        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR") or k.endswith("SAN_OPTIONS")}
        log = self.home / "log"
        with open(log, "wb") as out:
            weftd = subprocess.Popen([PROGRAM], cwd=self.home, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**kept, "HTTP_PORT": "0"})
        self.addCleanup(weftd.wait, LONGEST_S)
        self.addCleanup(weftd.send_signal, signal.SIGKILL)
        found = eventually(lambda: re.search(r"listening on (http://\S+:\d+);", log.read_text()))
        self.assertTrue(found, log.read_text())
        self.address = found.group(1)
        self.dtm = self.address + "/api/dtmsvr"

    def curl(self, url, body=None, *more):
        """The status, the type of the content, and the body."""
        done = subprocess.run(["curl", "-sS", "--compressed", "--max-time", str(LONGEST_S), "-o", "-", "-w", "\n%{http_code} %{content_type}", *GO, *more,
                               *([] if body is None else ["--data-binary", body]), url], capture_output=True, text=True, timeout=LONGEST_S + 5)
        self.assertEqual(done.returncode, 0, done.stderr)
        text, _, last = done.stdout.rpartition("\n")
        status, _, content = last.partition(" ")
        return int(status), content, text

    def go(self, operation, body):
        """dtmcli: anything but 200, and any body with FAILURE in it, is an error with the body as its text."""
        status, _, text = self.curl(f"{self.dtm}/{operation}", body)
        if status != 200 or "FAILURE" in text:
            raise Refused(text)
        return text

    def status(self, gid):
        return json.loads(self.curl(f"{self.dtm}/query?gid={gid}")[2])["transaction"]["status"]

    def ends(self, gid, status):
        self.assertTrue(eventually(lambda: self.status(gid) == status), self.curl(f"{self.dtm}/query?gid={gid}")[2])

    def called(self, gid):
        return [(path, query["op"], query["branch_id"]) for _, path, query, _ in self.calls if query.get("gid") == gid]

    # --- Go --------------------------------------------------------------------------------------------------------

    def test_new_gid_is_an_object_of_texts(self):
        # Decoded into a map of strings, and only if the type says JSON.
        status, content, text = self.curl(self.dtm + "/newGid")
        answer = json.loads(text)
        self.assertEqual((status, content.split(";")[0]), (200, "application/json"))
        self.assertTrue(answer["gid"] and all(isinstance(v, str) for v in answer.values()), text)

    def test_saga(self):
        gid = "go-saga"
        text = self.go("submit", '{"gid":"%s","trans_type":"saga","wait_result":true,"branch_headers":{"x-user":"7"},"concurrent":false,'
                                 '"steps":[{"action":"%s/out","compensate":"%s/out-undo"},{"action":"%s/in","compensate":"%s/in-undo"}],'
                                 '"payloads":["{\\"amount\\":30}","{\\"amount\\":30}"],"protocol":""}' % (gid, *[self.busi] * 4))
        self.assertEqual(json.loads(text), {"dtm_result": "SUCCESS"})
        self.assertEqual(self.called(gid), [("/out", "action", "01"), ("/in", "action", "02")])

    def test_concurrent_saga_with_orders(self):
        gid = "go-orders"
        self.go("submit", '{"gid":"%s","trans_type":"saga","custom_data":"{\\"concurrent\\":true,\\"orders\\":{\\"0\\":[1]}}","wait_result":true,"concurrent":true,'
                          '"steps":[{"action":"%s/last","compensate":""},{"action":"%s/first","compensate":""}],"payloads":["null","null"],"protocol":""}'
                          % (gid, self.busi, self.busi))
        self.assertEqual([path for path, *_ in self.called(gid)], ["/first", "/last"])

    def test_a_saga_that_fails_is_an_error_that_says_so(self):
        self.answers["/no"] = lambda *_: (409, '{"error":"balance not sufficient FAILURE"}')
        with self.assertRaises(Refused) as refused:
            self.go("submit", '{"gid":"go-no","trans_type":"saga","wait_result":true,"concurrent":false,"steps":[{"action":"%s/no","compensate":"%s/undo"}],'
                              '"payloads":["{}"],"protocol":""}' % (self.busi, self.busi))
        # The legacy words are in the text: older libraries look for nothing else.
        self.assertIn('"dtm_result":"FAILURE"', str(refused.exception))
        self.assertIn("balance not sufficient", str(refused.exception))
        self.ends("go-no", "failed")

    def test_tcc_with_a_nested_branch(self):
        gid = "go-tcc"
        base = '{"gid":"%s","trans_type":"tcc","concurrent":false,"protocol":""}' % gid
        self.go("prepare", base)
        for branch in ("01", "0101", "02"):
            self.go("registerBranch", '{"branch_id":"%s","cancel":"%s/cancel","confirm":"%s/confirm","data":"{\\"amount\\":30}","gid":"%s","trans_type":"tcc"}'
                    % (branch, self.busi, self.busi, gid))
        self.go("submit", base)
        self.ends(gid, "succeed")
        self.assertEqual([branch for _, _, branch in self.called(gid)], ["02", "0101", "01"])

    def test_tcc_that_is_aborted(self):
        gid = "go-tcc-no"
        base = '{"gid":"%s","trans_type":"tcc","concurrent":false,"protocol":""%s}'
        self.go("prepare", base % (gid, ""))
        self.go("registerBranch", '{"branch_id":"01","cancel":"%s/cancel","confirm":"%s/confirm","data":"{}","gid":"%s","trans_type":"tcc"}' % (self.busi, self.busi, gid))
        # The reason is Go's text of an error, and may hold the word: what dtm answers may not.
        self.go("abort", base % (gid, ',"rollback_reason":"no money FAILURE"'))
        self.ends(gid, "failed")
        self.assertEqual(self.called(gid), [("/cancel", "cancel", "01")])
        self.assertEqual(json.loads(self.curl(f"{self.dtm}/query?gid={gid}")[2])["transaction"]["rollback_reason"], "no money FAILURE")

    def test_xa(self):
        gid = "go-xa"
        base = '{"gid":"%s","trans_type":"xa","concurrent":false,"protocol":""}' % gid
        self.go("prepare", base)
        self.go("registerBranch", '{"branch_id":"01","gid":"%s","trans_type":"xa","url":"%s/xa"}' % (gid, self.busi))
        self.go("submit", base)
        self.ends(gid, "succeed")
        self.assertEqual(self.calls[-1][0::3], ("POST", ""))
        self.assertEqual(self.called(gid), [("/xa", "commit", "01")])
        # A phase 1 that comes late has to be told that it is too late.
        with self.assertRaises(Refused):
            self.go("registerBranch", '{"branch_id":"02","gid":"%s","trans_type":"xa","url":"%s/xa"}' % (gid, self.busi))

    def test_message_with_its_local_transaction(self):
        for gid, last, status in (("go-msg", "submit", "succeed"), ("go-msg-no", "abort", "failed")):
            body = '{"gid":"%s","trans_type":"msg"%s,"concurrent":false,"steps":[{"action":"%s/in"}],"payloads":["{\\"amount\\":30}"],"query_prepared":"%s/query","protocol":""}'
            self.go("prepare", body % (gid, "", self.busi, self.busi))
            self.go("prepare", body % (gid, "", self.busi, self.busi))
            # The delay is told at last.
            self.go(last, body % (gid, ',"custom_data":"{\\"delay\\":1}"', self.busi, self.busi))
            self.ends(gid, status)
        self.assertEqual(self.called("go-msg"), [("/in", "action", "01")])
        self.assertEqual(self.called("go-msg-no"), [])

    def test_json_rpc(self):
        def rpc(method, params):
            status, content, text = self.curl(self.address + "/api/json-rpc", '{"id":"no-use","jsonrpc":"2.0","method":"%s","params":%s}' % (method, params))
            answer = json.loads(text)
            self.assertEqual(content.split(";")[0], "application/json")
            self.assertEqual((status, answer.get("error"), answer["id"]), (200, None, "no-use"), text)
            return answer["result"]

        self.answers["/rpc"] = lambda *_: (200, '{"jsonrpc":"2.0","id":"1","result":{"dtm_result":"SUCCESS"}}')
        gid = rpc("newGid", "{}")["gid"]
        rpc("submit", '{"gid":"%s","trans_type":"saga","concurrent":false,"steps":[{"action":"%s/rpc?method=Out","compensate":""}],"payloads":["{\\"amount\\":30}"],'
                      '"protocol":"json-rpc"}' % (gid, self.busi))
        self.ends(gid, "succeed")
        sent = json.loads(self.calls[-1][3])
        self.assertEqual((sent["method"], sent["params"]["amount"], sent["params"]["gid"], sent["params"]["op"]), ("Out", 30, gid, "action"))

    # --- Go's workflow ---------------------------------------------------------------------------------------------

    def prepare_workflow(self, gid, data=b'{"amount":30}'):
        """Read as protojson does: no key twice, the types of DtmProgressesReply, and whatever else is passed over."""
        custom = json.dumps({"name": "transfer", "data": base64.b64encode(data).decode()})
        status, _, text = self.curl(self.dtm + "/prepareWorkflow", json.dumps(
            {"gid": gid, "trans_type": "workflow", "custom_data": custom, "concurrent": False, "query_prepared": self.busi + "/callback", "protocol": "http"}))
        self.assertEqual(status, 200, text)

        def once(pairs):
            self.assertEqual(len(pairs), len(dict(pairs)), text)
            return dict(pairs)

        reply = json.loads(text, object_pairs_hook=once)
        for key in ("gid", "status", "rollback_reason", "result"):
            self.assertIsInstance(reply["transaction"].get(key, ""), str)
        for progress in reply["progresses"] or []:
            for key in ("status", "bin_data", "branch_id", "op"):
                self.assertIsInstance(progress.get(key, ""), str)
        return reply["transaction"], [(p["branch_id"], p["op"], p["status"], base64.b64decode(p.get("bin_data", ""), validate=True)) for p in reply["progresses"] or []]

    def register(self, gid, branch, op, status, data):
        self.go("registerBranch", json.dumps({"branch_id": branch, "data": data, "gid": gid, "op": op, "status": status, "trans_type": "workflow"}))

    def submit_workflow(self, gid, status, reason="", result=b""):
        self.go("submit", json.dumps({"gid": gid, "trans_type": "workflow",
                                      "req_extra": {"result": base64.b64encode(result).decode(), "rollback_reason": reason, "status": status}}))

    def test_workflow(self):
        gid = "go-workflow"
        transaction, progresses = self.prepare_workflow(gid)
        self.assertEqual((transaction["gid"], transaction["status"], progresses), (gid, "prepared", []))
        self.register(gid, "01", "action", "succeed", '{"dtm_result":"SUCCESS"}')
        self.register(gid, "02", "action", "succeed", "")
        # Another process goes on: it finds what was done, an empty result too, and repeats a step that it may have recorded.
        transaction, progresses = self.prepare_workflow(gid)
        self.assertEqual(progresses, [("01", "action", "succeed", b'{"dtm_result":"SUCCESS"}'), ("02", "action", "succeed", b"")])
        self.submit_workflow(gid, "succeed", result=b"\x00\xff done")
        transaction, _ = self.prepare_workflow(gid)
        self.assertEqual((transaction["status"], base64.b64decode(transaction["result"])), ("succeed", b"\x00\xff done"))

    def test_workflow_that_is_rolled_back(self):
        gid = "go-workflow-no"
        self.prepare_workflow(gid)
        self.register(gid, "01", "action", "succeed", "{}")
        self.register(gid, "02", "action", "failed", '{"error":"balance not sufficient FAILURE"}')
        self.register(gid, "01", "rollback", "succeed", "")
        self.submit_workflow(gid, "failed", reason="balance not sufficient FAILURE")
        transaction, progresses = self.prepare_workflow(gid)
        self.assertEqual((transaction["status"], transaction["rollback_reason"]), ("failed", "balance not sufficient FAILURE"))
        self.assertEqual([p[:3] for p in progresses], [("01", "action", "succeed"), ("02", "action", "failed"), ("01", "rollback", "succeed")])

    def test_a_workflow_whose_process_died_is_called_back(self):
        gid = "go-workflow-died"

        def callback(query, body):
            if self.status(gid) == "prepared":
                self.submit_workflow(gid, "succeed")
            return 200, ""

        self.answers["/callback"] = callback
        self.prepare_workflow(gid)
        self.ends(gid, "succeed")
        [(method, _, query, body), *_] = [c for c in self.calls if c[1] == "/callback"]
        self.assertEqual((method, query["op"], query["gid"], query["branch_id"], body), ("POST", "transfer", gid, "00", '{"amount":30}'))

    # --- others ----------------------------------------------------------------------------------------------------

    def test_python_sends_nulls(self):
        gid = "python-saga"
        text = self.go("submit", json.dumps({"gid": gid, "trans_type": "saga", "custom_data": None, "wait_result": True, "timeout_to_fail": None, "retry_interval": None,
                                             "passthrough_headers": [], "branch_headers": {}, "request_timeout": 8, "query_prepared": None, "protocol": None,
                                             "steps": [{"action": self.busi + "/out", "compensate": self.busi + "/undo"}], "payloads": ['{"amount": 30}']}))
        self.assertEqual(json.loads(text), {"dtm_result": "SUCCESS"})
        self.assertEqual(self.called(gid), [("/out", "action", "01")])

    def test_node_registers_with_more_than_is_asked_for(self):
        gid = "node-tcc"
        self.go("prepare", '{"gid":"%s","trans_type":"tcc"}' % gid)
        self.go("registerTccBranch", '{"gid":"%s","branch_id":"01","trans_type":"tcc","status":"prepared","data":"{\\"amount\\":30}","try":"%s/try","confirm":"%s/confirm",'
                                     '"cancel":"%s/cancel"}' % (gid, self.busi, self.busi, self.busi))
        self.go("submit", '{"gid":"%s","trans_type":"tcc"}' % gid)
        self.ends(gid, "succeed")
        self.assertEqual(self.called(gid), [("/confirm", "confirm", "01")])

    def test_legacy_branches_answer_200_with_a_word(self):
        self.answers["/legacy"] = lambda *_: (200, '{"dtm_result":"FAILURE"}')
        with self.assertRaises(Refused):
            self.go("submit", '{"gid":"legacy","trans_type":"saga","wait_result":true,"steps":[{"action":"%s/legacy","compensate":""}],"payloads":["{}"]}' % self.busi)
        self.ends("legacy", "failed")

    def test_keys_of_any_case_and_the_payload_within_the_step(self):
        gid = "old-saga"
        self.go("submit", '{"GID":"%s","Trans_Type":"saga","Wait_Result":true,"steps":[{"action":"%s/out","compensate":"","data":"{\\"old\\":1}"}]}' % (gid, self.busi))
        self.assertEqual(self.calls[-1][3], '{"old":1}')

    def test_what_is_not_there_is_an_error_of_the_server(self):
        self.assertEqual(self.curl(self.dtm + "/query?gid=nowhere")[0::2], (200, '{"branches":[],"transaction":null}'))
        status, _, text = self.curl(self.dtm + "/abort", '{"gid":"nowhere","trans_type":"tcc","concurrent":false,"protocol":""}')
        self.assertEqual((status, list(json.loads(text))), (500, ["message"]))


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv[1])
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)
