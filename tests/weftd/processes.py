#!/usr/bin/env python3
"""Processes of weftd: started, asked, stopped, killed, and told wrong things.

    processes.py WEFTD [unittest arguments]

WEFT_SERVERS names the directory of the run's database servers (tests/servers/servers.py); without it the tests that need one are skipped.
WEFT_TEST_NAMES is the resolver of the tests (tests/support/names.cpp), preloaded into weftd, so that branches are called by name.
"""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PROGRAM = None
LONGEST_S = 60
NAMES = os.environ.get("WEFT_TEST_NAMES", "")


def eventually(what, seconds=LONGEST_S):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    return what()


class Branches:
    """A participant and a web hook: answers 200 but for what the test says, and remembers what came."""

    def __init__(self):
        self.came, self.answers = [], {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.split("?")[0]
                outer.came.append((path, body.decode()))
                answer = outer.answers.get(path, 200)
                status = answer() if callable(answer) else answer
                with contextlib.suppress(OSError):
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = self.url_at("branches.test" if NAMES else "127.0.0.1")
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url_at(self, host):
        return f"http://{host}:{self.server.server_port}"

    def paths(self):
        return [path for path, _ in self.came]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Weftd(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="weftd-"))
        self.addCleanup(shutil.rmtree, self.home, ignore_errors=True)
        self.branches = Branches()
        self.addCleanup(self.branches.close)
        self.starts = 0

    # --- a process -------------------------------------------------------------------------------------------------

    def environment(self, variables):
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR") or k.endswith("SAN_OPTIONS")}
        return {**kept, "HTTP_PORT": "0", "no_proxy": "*", **({"LD_PRELOAD": NAMES} if NAMES else {}), **variables}

    def start(self, conf=None, ready=True, arguments=(), **variables):
        arguments = [PROGRAM, *arguments]
        if conf is not None:
            (self.home / "conf.yml").write_text(conf)
            arguments += ["-c", "conf.yml"]
        self.starts += 1
        self.log = self.home / f"log-{self.starts}"
        with open(self.log, "wb") as log:
            process = subprocess.Popen(arguments, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment(variables))
        self.addCleanup(self.end, process)
        if ready:
            self.await_port(process)
        return process

    def await_port(self, process):
        def port():
            if process.poll() is not None:
                self.fail(f"weftd ended with {process.returncode}: {self.log.read_text()}")
            return re.search(r"listening on https?://\S+:(\d+);", self.log.read_text())
        found = eventually(port)
        self.assertTrue(found, self.log.read_text())
        self.port = int(found.group(1))

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.wait(LONGEST_S)

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(LONGEST_S), 0, self.log.read_text())

    def call(self, *arguments, **variables):
        return subprocess.run([PROGRAM, *arguments], cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST_S,
                              env=self.environment(variables))

    # --- a client --------------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None, headers={}, tls=None):
        connection = (http.client.HTTPSConnection("127.0.0.1", self.port, timeout=LONGEST_S, context=tls) if tls else
                      http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_S))
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read().decode()
            return reply.status, text
        finally:
            connection.close()

    def submit(self, gid, *actions, wait=False, **more):
        body = {"gid": gid, "trans_type": "saga", "wait_result": wait, "steps": [{"action": a, "compensate": ""} for a in actions],
                "payloads": ["{}" for _ in actions], **more}
        return self.ask("POST", "/api/dtmsvr/submit", body)

    def status(self, gid):
        transaction = json.loads(self.ask("GET", f"/api/dtmsvr/query?gid={gid}")[1])["transaction"]
        return transaction and transaction["status"]

    # --- the tests -------------------------------------------------------------------------------------------------

    def test_runs_without_configuration(self):
        weftd = self.start()
        self.assertEqual(self.ask("GET", "/api/ping"), (200, '{"msg":"pong"}'))
        status, text = self.submit("empty", "", "", wait=True)
        self.assertEqual((status, json.loads(text)["dtm_result"]), (200, "SUCCESS"))
        self.assertEqual(self.status("empty"), "succeed")
        self.assertIn("dtm_server_process_total", self.ask("GET", "/api/metrics")[1])
        self.stop(weftd)
        self.assertTrue(self.log.read_text().rstrip().endswith("info stopped"), self.log.read_text())
        # Payloads are nobody else's business.
        self.assertEqual((self.home / "weft.db").stat().st_mode & 0o007, 0)

    def test_kill_and_restart_finish_what_was_begun(self):
        reached, go_on = threading.Event(), threading.Event()

        def second():
            reached.set()
            go_on.wait(LONGEST_S)
            return 200

        self.branches.answers["/second"] = second
        weftd = self.start(REQUEST_TIMEOUT="30")
        self.assertEqual(self.submit("killed", self.branches.url + "/first", self.branches.url + "/second", self.branches.url + "/third")[0], 200)
        self.assertTrue(reached.wait(LONGEST_S))
        weftd.kill()
        weftd.wait(LONGEST_S)
        go_on.set()
        self.start(REQUEST_TIMEOUT="30")
        self.assertTrue(eventually(lambda: self.status("killed") == "succeed"), self.log.read_text())
        paths = self.branches.paths()
        self.assertEqual((paths.count("/first"), paths.count("/second"), paths.count("/third")), (1, 2, 1))

    def test_no_number_of_kills_keeps_a_transaction_from_its_end(self):
        reached, go_on = threading.Event(), threading.Event()
        self.branches.answers["/slow"] = lambda: (reached.set(), go_on.wait(LONGEST_S), 200)[2]
        weftd = self.start(REQUEST_TIMEOUT="30")
        self.assertEqual(self.submit("killed", self.branches.url + "/slow", retry_interval=1)[0], 200)
        for _ in range(11):
            self.assertTrue(reached.wait(LONGEST_S), self.log.read_text())
            weftd.kill()
            weftd.wait(LONGEST_S)
            reached.clear()
            weftd = self.start(REQUEST_TIMEOUT="30")
        go_on.set()
        self.assertTrue(eventually(lambda: self.status("killed") == "succeed"), self.log.read_text())

    def test_sigterm_lets_requests_finish(self):
        reached = threading.Event()

        def slow():
            reached.set()
            time.sleep(1)
            return 200

        self.branches.answers["/slow"] = slow
        weftd = self.start(REQUEST_TIMEOUT="30")
        answers = []
        client = threading.Thread(target=lambda: answers.append(self.submit("slow", self.branches.url + "/slow", wait=True)))
        client.start()
        self.assertTrue(reached.wait(LONGEST_S))
        self.stop(weftd)
        client.join(LONGEST_S)
        self.assertEqual(answers[0][0], 200, answers)
        with self.assertRaises(OSError):
            self.ask("GET", "/api/ping")

    # As of a terminal and of whoever watches over the process.
    def test_two_signals_of_one_stop_let_requests_finish(self):
        reached = threading.Event()

        def slow():
            reached.set()
            time.sleep(1)
            return 200

        self.branches.answers["/slow"] = slow
        weftd = self.start(REQUEST_TIMEOUT="30")
        answers = []
        client = threading.Thread(target=lambda: answers.append(self.submit("slow", self.branches.url + "/slow", wait=True)))
        client.start()
        self.assertTrue(reached.wait(LONGEST_S))
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
            weftd.send_signal(number)
        self.assertEqual(weftd.wait(LONGEST_S), 0, self.log.read_text())
        client.join(LONGEST_S)
        self.assertEqual(answers[0][0], 200, answers)

    # What rotates logs moves them away and says so.
    def test_sighup_opens_the_log_anew(self):
        weftd = self.start("Log: {Outputs: [stderr, weftd.log]}\n")
        written = self.home / "weftd.log"
        self.assertIn("listening on", written.read_text())
        written.rename(self.home / "weftd.log.1")
        weftd.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: written.exists() and "SIGHUP" in written.read_text()), self.log.read_text())
        self.assertEqual(self.ask("GET", "/api/ping")[0], 200)
        self.stop(weftd)
        self.assertTrue(written.read_text().endswith("stopped\n"))

    def test_sighup_reads_tokens_again(self):
        def asked(token):
            return self.ask("GET", "/api/dtmsvr/newGid", headers={"Authorization": "Bearer " + token})[0]

        (self.home / "tokens").write_text("the-old-token-of-old\n")
        weftd = self.start("Weft: {BearerTokenFile: tokens}\n")
        self.assertEqual((asked("the-old-token-of-old"), asked("the-new-token-of-new")), (200, 401))
        (self.home / "tokens").write_text("the-new-token-of-new\n")
        weftd.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: asked("the-new-token-of-new") == 200), self.log.read_text())
        self.assertEqual(asked("the-old-token-of-old"), 401)
        # What is wrong changes nothing; nor does whether there are any.
        for wrong in ("short\n", ""):
            (self.home / "tokens").write_text(wrong)
            before = self.log.read_text().count("stay as they were")
            weftd.send_signal(signal.SIGHUP)
            self.assertTrue(eventually(lambda: self.log.read_text().count("stay as they were") > before), self.log.read_text())
            self.assertEqual((asked("the-new-token-of-new"), asked("")), (200, 401))
        self.stop(weftd)

    def test_sighup_reads_certificates_again(self):
        def certificate(name):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-keyout", "server.key",
                            "-out", "server.pem"], cwd=self.home, check=True, capture_output=True, timeout=LONGEST_S)

        def shown():
            anybody = ssl.create_default_context()
            anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST_S) as plain, anybody.wrap_socket(plain) as secure:
                return secure.getpeercert(binary_form=True)

        def stored():
            return ssl.PEM_cert_to_DER_cert((self.home / "server.pem").read_text())

        certificate("old")
        weftd = self.start("Weft: {Certificate: server.pem, Key: server.key}\n")
        self.assertEqual(shown(), stored())
        certificate("new")
        weftd.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: shown() == stored()), self.log.read_text())
        new = stored()
        (self.home / "server.pem").write_text("none\n")
        weftd.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: "stay as they were" in self.log.read_text()), self.log.read_text())
        self.assertIn("Weft.Certificate: server.pem", self.log.read_text())
        self.assertEqual(shown(), new)
        self.stop(weftd)

    def test_certificates_are_looked_at_before_anything_else(self):
        conf = "Weft:\n  Certificate: server.pem\n  Key: server.key\n"
        (self.home / "conf.yml").write_text(conf)
        for command in (["check-config"], []):
            done = self.call(*command, "-c", "conf.yml")
            self.assertEqual(done.returncode, 2, done.stdout + done.stderr)
            self.assertEqual(done.stderr, "weftd: conf.yml:2: Weft.Certificate: server.pem: No such file or directory\n")
        (self.home / "server.pem").write_text("no certificate\n")
        done = self.call("check-config", "-c", "conf.yml")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertTrue(done.stderr.startswith("weftd: conf.yml:2: Weft.Certificate: server.pem: "), done.stderr)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=here", "-keyout", "other.key", "-out",
                        "server.pem"], cwd=self.home, check=True, capture_output=True, timeout=LONGEST_S)
        subprocess.run(["openssl", "genrsa", "-out", "server.key", "2048"], cwd=self.home, check=True, capture_output=True, timeout=LONGEST_S)
        done = self.call("check-config", "-c", "conf.yml")
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertTrue(done.stderr.startswith("weftd: conf.yml:3: Weft.Key: server.key"), done.stderr)
        (self.home / "server.key").write_text((self.home / "other.key").read_text())
        self.assertEqual(self.call("check-config", "-c", "conf.yml").returncode, 0)

    def test_a_second_signal_ends_at_once(self):
        reached, go_on = threading.Event(), threading.Event()

        def never():
            reached.set()
            go_on.wait(LONGEST_S)
            return 200

        self.branches.answers["/never"] = never
        weftd = self.start(REQUEST_TIMEOUT="600", WEFT_DRAIN_DEADLINE="600")
        self.submit("never", self.branches.url + "/never")
        self.assertTrue(reached.wait(LONGEST_S))
        began = time.monotonic()
        weftd.send_signal(signal.SIGTERM)
        self.assertTrue(eventually(lambda: "signal 15: stopping" in self.log.read_text()))

        # Another one counts when it comes more than two seconds later.
        def ended():
            if weftd.poll() is None:
                weftd.send_signal(signal.SIGTERM)
            return weftd.poll() is not None

        self.assertTrue(eventually(ended, 30))
        self.assertGreater(time.monotonic() - began, 2)
        self.assertEqual(weftd.wait(LONGEST_S), 128 + signal.SIGTERM)
        go_on.set()

    def test_requests_that_take_long_delay_no_transaction(self):
        self.start()
        go_on = threading.Event()
        self.branches.answers["/1"] = lambda: (go_on.wait(LONGEST_S), 200)[1]
        self.submit("honest", *(f"{self.branches.url}/{n}" for n in range(1, 9)))
        self.assertTrue(eventually(lambda: len(self.branches.came) == 1), self.log.read_text())
        body, over = b'{"x":[' + b"[]," * 1_300_000 + b"[]]", threading.Event()  # 0.3 s of work, and its end is missing
        request = b"POST /api/dtmsvr/submit HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body

        def attack():
            while not over.is_set():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=LONGEST_S) as s:
                    while not over.is_set():
                        s.sendall(request)
                        s.recv(1 << 16)

        attackers = [threading.Thread(target=attack) for _ in range(12)]
        for a in attackers:
            a.start()
        time.sleep(1)
        began = time.monotonic()
        go_on.set()
        finished = eventually(lambda: len(self.branches.came) == 8)
        took = time.monotonic() - began
        over.set()
        for a in attackers:
            a.join(LONGEST_S)
        self.assertTrue(finished, self.log.read_text())
        self.assertLess(took, 1)

    def test_idle_connections_do_not_keep_it_from_stopping(self):
        weftd = self.start()
        idle = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LONGEST_S)
        self.addCleanup(idle.close)
        idle.request("GET", "/api/ping")
        idle.getresponse().read()
        began = time.monotonic()
        self.stop(weftd)
        self.assertLess(time.monotonic() - began, 5)

    def test_the_drain_deadline_is_kept(self):
        reached, go_on = threading.Event(), threading.Event()
        self.branches.answers["/never"] = lambda: (reached.set(), go_on.wait(LONGEST_S), 200)[2]
        weftd = self.start(REQUEST_TIMEOUT="600", WEFT_DRAIN_DEADLINE="1")
        self.submit("never", self.branches.url + "/never")
        self.assertTrue(reached.wait(LONGEST_S))
        began = time.monotonic()
        self.stop(weftd)
        self.assertLess(time.monotonic() - began, 20)
        go_on.set()

    @unittest.skipUnless(NAMES, "there is no WEFT_TEST_NAMES")
    def test_sigterm_under_load_ends_well(self):
        """Branches that answer, that never do, and whose name nobody looks up; within the deadline, whatever it is."""
        for end in range(int(os.environ.get("WEFT_ENDS", 24))):
            go_on, over = threading.Event(), threading.Event()
            self.branches.answers["/never"] = lambda go_on=go_on: (go_on.wait(LONGEST_S), 200)[1]
            urls = (self.branches.url + "/well", self.branches.url + "/never", self.branches.url_at("slow.test") + "/well")
            deadline = end % 3
            weftd = self.start(REQUEST_TIMEOUT="30", WEFT_DRAIN_DEADLINE=str(deadline))

            def load(client, end=end, over=over, urls=urls):
                for i in range(10_000):
                    if over.is_set():
                        return
                    with contextlib.suppress(OSError, http.client.HTTPException):
                        self.submit(f"{end}-{client}-{i}", urls[i % 3])

            clients = [threading.Thread(target=load, args=(c,)) for c in range(3)]
            for c in clients:
                c.start()
            time.sleep(0.02 * (end % 12))
            began = time.monotonic()
            self.stop(weftd)
            self.assertLess(time.monotonic() - began, deadline + 5)
            go_on.set()
            over.set()
            for c in clients:
                c.join(LONGEST_S)

    def test_what_is_wrong_is_said_with_file_and_line(self):
        (self.home / "conf.yml").write_text("HttpPort: 1\nRetryIntervall: 10\nLog:\n  Outputs: [stderr]\n  Colour: red\n")
        for command in ([], ["check-config"], ["print-config"], ["-r", "--yes"]):
            done = self.call(*command, "-c", "conf.yml")
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stderr.splitlines(), ["weftd: conf.yml:2: RetryIntervall: there is no such key; did you mean RetryInterval?",
                                                        "weftd: conf.yml:5: Log.Colour: there is no such key"])
        done = self.call("-c", "nowhere.yml")
        self.assertEqual((done.returncode, done.stderr), (2, "weftd: nowhere.yml: cannot be read: No such file or directory\n"))
        done = self.call("-c", ".")
        self.assertEqual((done.returncode, done.stderr), (2, "weftd: .: cannot be read: Is a directory\n"))
        done = self.call(RETRY_INTERVAL="5")
        self.assertEqual(done.returncode, 2)
        self.assertTrue(done.stderr.startswith('weftd: environment RETRY_INTERVAL: RetryInterval: "5" is not allowed'), done.stderr)
        self.assertEqual(self.call("now").returncode, 2)
        self.assertFalse((self.home / "weft.db").exists())

    def test_says_what_it_would_run_with(self):
        (self.home / "conf.yml").write_text("GrpcPort: 36790\nWeft:\n  BearerTokens: [0123456789abcdef]\n")
        done = self.call("check-config", "-c", "conf.yml")
        self.assertEqual((done.returncode, done.stdout), (0, "warning: conf.yml:1: GrpcPort has no effect yet: there is no gRPC\nconf.yml: all well\n"))
        done = self.call("print-config", "-c", "conf.yml", LOG_LEVEL="warn")
        self.assertEqual(done.returncode, 0)
        self.assertIn('LogLevel: "warn"  # environment LOG_LEVEL\n', done.stdout)
        self.assertNotIn("0123456789abcdef", done.stdout)
        self.assertTrue(self.call("-v").stdout.startswith("weftd "))
        self.assertIn("--config", self.call("-h").stdout)

    def test_what_keeps_it_from_working_is_said(self):
        done = self.call(STORE_PATH="no/such/directory/weft.db")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no/such/directory", done.stderr)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            done = self.call(HTTP_PORT=port)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"error cannot listen on 127.0.0.1:{port}: Address already in use\n", done.stderr)
        done = self.call(STORE_URL="sqlite://weft.db?colour=red")
        self.assertEqual(done.returncode, 2)
        self.assertIn("colour", done.stderr)
        (self.home / "nothing.pem").write_text("nothing")
        done = self.call(WEFT_CERTIFICATE="nothing.pem", WEFT_KEY="nothing.pem")
        self.assertEqual(done.returncode, 2)
        self.assertIn("nothing.pem", done.stderr)
        done = self.call(LOG_OUTPUTS="no/such/directory/\x01/log" if os.geteuid() != 0 else "/proc/nowhere/log")
        self.assertEqual(done.returncode, 1)
        self.assertIn("the log", done.stderr)

    def test_tokens_are_asked_for_and_never_logged(self):
        (self.home / "tokens").write_text("# of the shop\nfedcba9876543210\n")
        self.start("LogLevel: debug\nWeft:\n  BearerTokens: [0123456789abcdef]\n  BearerTokenFile: tokens\n")
        self.assertEqual(self.ask("GET", "/api/ping")[0], 200)
        self.assertEqual(self.ask("GET", "/api/dtmsvr/newGid")[0], 401)
        self.assertEqual(self.ask("GET", "/api/dtmsvr/newGid", headers={"Authorization": "Bearer wrong-wrong-wrong"})[0], 401)
        for token in ("0123456789abcdef", "fedcba9876543210"):
            self.assertEqual(self.ask("GET", "/api/dtmsvr/newGid", headers={"Authorization": "Bearer " + token})[0], 200)
        self.assertTrue(eventually(lambda: "newGid" in self.log.read_text()))
        self.assertNotIn("0123456789abcdef", self.log.read_text())
        self.assertNotIn("fedcba9876543210", self.log.read_text())

    def test_speaks_tls_with_clients_of_its_authority(self):
        def openssl(*arguments):
            subprocess.run(["openssl", *arguments], cwd=self.home, check=True, capture_output=True, timeout=LONGEST_S)

        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=authority")
        for name in ("server", "client"):
            (self.home / f"{name}.ext").write_text("subjectAltName=IP:127.0.0.1\n")
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-out", f"{name}.pem",
                    "-extfile", f"{name}.ext")
        # Beyond loopback: the certificates are enough.
        weftd = self.start("Weft: {Listen: 0.0.0.0, Certificate: server.pem, Key: server.key, ClientCA: ca.pem}\n")
        stranger = ssl.create_default_context(cafile=self.home / "ca.pem")
        with self.assertRaises(OSError):
            self.ask("GET", "/api/ping", tls=stranger)
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.ask("GET", "/api/ping")
        client = ssl.create_default_context(cafile=self.home / "ca.pem")
        client.load_cert_chain(self.home / "client.pem", self.home / "client.key")
        self.assertEqual(self.ask("GET", "/api/dtmsvr/newGid", tls=client)[0], 200)
        self.stop(weftd)

    def test_alerts_are_posted_and_addresses_that_are_not_allowed_are_not_called(self):
        self.branches.answers["/allowed/failing"] = 500
        self.start(f"AlertRetryLimit: 1\nAlertWebHook: {self.branches.url}/hook?key=hush-hush\n"
                   f"Weft:\n  BranchUrls: ['{self.branches.url}/allowed/*']\n")
        self.submit("failing", self.branches.url + "/allowed/failing")
        status, text = self.submit("forbidden", self.branches.url + "/allowed/../secret")
        self.assertEqual(status, 500, text)
        self.assertIn("steps[0].action: its address is none that may be called", json.loads(text)["message"])
        self.assertIsNone(self.status("forbidden"))
        self.submit("well", self.branches.url + "/allowed/well", wait=True)
        self.assertEqual(self.status("well"), "succeed")
        alerts = eventually(lambda: {a["gid"]: a for a in (json.loads(body) for path, body in self.branches.came if path == "/hook")})
        self.assertEqual(set(alerts), {"failing"})
        self.assertEqual(alerts["failing"]["status"], "submitted")
        self.assertEqual(alerts["failing"]["branch"], self.branches.url + "/allowed/failing")
        self.assertEqual(alerts["failing"]["retry_count"], 1)
        self.assertIn("500", alerts["failing"]["error"])
        self.assertNotIn("/secret", self.branches.paths())
        self.assertNotIn("hush-hush", self.log.read_text())

    def test_nothing_is_called_that_nobody_submitted(self):
        self.start()
        for kind in ("tcc", "xa"):
            status, text = self.ask("POST", "/api/dtmsvr/submit", {"gid": "lost", "trans_type": kind, "wait_result": True})
            self.assertEqual((status, json.loads(text)), (500, {"message": "no transaction with gid: lost found"}))
        saga = {"gid": "prepared", "trans_type": "saga", "timeout_to_fail": 1, "payloads": ["{}"],
                "steps": [{"action": self.branches.url + "/do", "compensate": self.branches.url + "/undo"}]}
        self.assertEqual(self.ask("POST", "/api/dtmsvr/prepare", saga)[0], 200)
        self.submit("other", "", wait=True)
        time.sleep(3)  # longer than it may take; nothing says that nothing happens
        self.assertEqual((self.status("prepared"), self.branches.paths()), ("prepared", []))
        self.assertEqual(self.ask("POST", "/api/dtmsvr/submit", {**saga, "timeout_to_fail": 3600, "wait_result": True})[0], 200)
        self.assertEqual(self.branches.paths(), ["/do"])

    def test_a_large_retry_limit_is_no_busy_loop(self):
        self.start()
        self.branches.answers["/failing"] = 500
        self.submit("failing", self.branches.url + "/failing", retry_limit=1000000000)
        self.assertTrue(eventually(lambda: len(self.branches.came) >= 11), self.log.read_text())
        time.sleep(1)
        self.assertEqual(len(self.branches.came), 11)
        self.assertLess(self.log.read_text().count("gid=failing"), 15)

    def test_what_has_not_ended_is_counted(self):
        def metric(name):
            found = re.search(rf"^{name} (\S+)$", self.ask("GET", "/api/metrics")[1], re.M)
            return found and float(found.group(1))

        stores = {"sqlite": "sqlite://counted.db"}
        if os.environ.get("WEFT_SERVERS"):
            for kind, name in (("postgres", "WEFT_POSTGRES"), ("mysql", "WEFT_MYSQL")):
                address = self.addresses()[name]
                stores[kind] = address + ("&" if "?" in address else "?") + f"table_prefix=weftd_{secrets.token_hex(4)}_"
        for kind, url in stores.items():
            with self.subTest(kind):
                weftd = self.start(STORE_URL=url)
                self.assertTrue(eventually(lambda: metric("weft_unfinished_transactions") == 0), self.log.read_text())
                self.assertEqual((metric("weft_paused_transactions"), metric("weft_oldest_unfinished_seconds")), (0, 0))
                self.branches.answers["/busy"] = 425
                self.submit("busy", self.branches.url + "/busy")
                self.submit("done", "", wait=True)
                nobody_to_ask = {"gid": "paused", "trans_type": "msg", "timeout_to_fail": 1, "steps": [{"action": ""}], "payloads": [""]}
                self.assertEqual(self.ask("POST", "/api/dtmsvr/prepare", nobody_to_ask)[0], 200)
                self.assertTrue(eventually(lambda: metric("weft_paused_transactions") == 1), self.log.read_text())
                self.assertEqual(metric("weft_unfinished_transactions"), 2)
                self.assertGreater(metric("weft_oldest_unfinished_seconds"), 0)
                self.stop(weftd)

    def test_what_ended_long_ago_goes(self):
        weftd = self.start()
        for gid in ("old", "new"):
            self.submit(gid, "", wait=True)
        self.stop(weftd)
        with contextlib.closing(sqlite3.connect(self.home / "weft.db")) as db:
            db.execute("UPDATE trans_global SET finish_time = finish_time - 86400000 WHERE gid = 'old'")
            # A barrier in the same database, with a row that is old, and one that is not.
            db.execute("CREATE TABLE barrier (id INTEGER PRIMARY KEY, trans_type, gid, branch_id, op, barrier_id, reason, result, create_time, update_time)")
            db.executemany("INSERT INTO barrier (gid, create_time) VALUES (?, strftime('%Y-%m-%d %H:%M:%f', 'now', ?))", [("old", "-1 day"), ("new", "-1 hour")])
            # What may still need it.
            db.execute("INSERT INTO trans_global (gid, trans_type, status, create_time, next_cron_time) SELECT 'waiting', 'tcc', 'prepared', "
                       "create_time - 86400000, create_time + 86400000 FROM trans_global WHERE gid = 'new'")
            db.commit()
        weftd = self.start(WEFT_RETENTION="12h", WEFT_BARRIER_RETENTION="12h", WEFT_RETENTION_INTERVAL="1", LOG_LEVEL="debug")
        self.assertTrue(eventually(lambda: self.status("old") is None), self.log.read_text())
        self.assertEqual(self.status("new"), "succeed")
        self.assertTrue(eventually(lambda: "removed 1 transactions and 0 barrier rows" in self.log.read_text()), self.log.read_text())
        self.assertIn("barrier rows stay", self.log.read_text())
        self.assertEqual(self.ask("POST", "/api/dtmsvr/forceStop", {"gid": "waiting"})[0], 200)
        self.assertTrue(eventually(lambda: "removed 0 transactions and 1 barrier rows" in self.log.read_text()), self.log.read_text())
        self.stop(weftd)
        with contextlib.closing(sqlite3.connect(self.home / "weft.db")) as db:
            self.assertEqual(db.execute("SELECT gid FROM barrier").fetchall(), [("new",)])

    def test_reset_asks_and_leaves_a_store_alone_that_is_in_use(self):
        weftd = self.start()
        self.submit("one", "", wait=True)
        done = self.call("-r", "--yes")
        self.assertEqual(done.returncode, 1)
        self.assertIn("at work here", done.stdout)
        self.stop(weftd)
        done = self.call("-r")
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 transactions, 0 of them unfinished", done.stdout)
        self.assertIn("--yes", done.stdout)
        self.assertEqual(self.call("-r", "--yes").returncode, 0)
        self.start()
        self.assertIsNone(self.status("one"))

    def copied_store(self):
        weftd = self.start(ready=True)
        self.branches.answers["/busy"] = 425
        self.assertEqual(self.submit("under way", self.branches.url + "/busy")[0], 200)
        self.assertTrue(eventually(lambda: "/busy" in self.branches.paths()))
        self.stop(weftd)
        shutil.copy(self.home / "weft.db", self.home / "copy.db")

    def test_a_copy_of_a_store_is_not_served_until_somebody_says_what_it_is(self):
        self.copied_store()
        for command in ([], ["-r"]):
            done = self.call(*command, STORE_PATH="copy.db")
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("holds a store that lived elsewhere", done.stderr)
            self.assertIn("--store moved", done.stderr)
            self.assertIn("--store cloned", done.stderr)
        done = self.call("--store", "moved", STORE_URL="sqlite://copy.db?busy_timeout=2s&store=cloned")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("--store", done.stderr)
        weftd = self.start(arguments=["--store", "cloned"], STORE_PATH="copy.db")
        transaction = json.loads(self.ask("GET", "/api/dtmsvr/query?gid=under%20way")[1])["transaction"]
        self.assertEqual(transaction["status"], "submitted")
        called = len(self.branches.came)
        self.assertEqual(self.submit("of its own", "", wait=True)[0], 200)
        self.assertEqual(len(self.branches.came), called, "what was in flight is paused")
        self.stop(weftd)
        # From now on it lives there.
        self.stop(self.start(STORE_PATH="copy.db"))

    def test_a_store_that_was_moved_goes_on(self):
        self.copied_store()
        (self.home / "weft.db").unlink()
        called = len(self.branches.came)
        self.branches.answers["/busy"] = 200
        weftd = self.start(arguments=["--store", "moved"], STORE_PATH="copy.db", RETRY_INTERVAL="10")
        self.assertTrue(eventually(lambda: self.status("under%20way") == "succeed"), self.log.read_text())
        self.assertGreater(len(self.branches.came), called)
        self.stop(weftd)

    def test_a_log_that_cannot_be_emptied_is_spoken_of(self):
        weftd = self.start()
        with contextlib.closing(sqlite3.connect(self.home / "weft.db")) as reader, contextlib.closing(sqlite3.connect(self.home / "weft.db")) as writer:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM trans_global").fetchall()
            writer.execute("PRAGMA synchronous = off")
            writer.execute("CREATE TABLE large (x)")
            for _ in range(66):
                writer.execute("INSERT INTO large VALUES (zeroblob(4194304))")
                writer.commit()
            self.assertEqual(self.submit("one", "", wait=True)[0], 200)
            self.assertTrue(eventually(lambda: "its write-ahead log has grown" in self.log.read_text()), self.log.read_text())
        self.stop(weftd)

    # On a server it waits for a store that is not there; this one is.
    def test_a_copy_on_a_server_is_refused_and_not_waited_for(self):
        user, password, host, port, database = self.postgres()
        prefix = f"weftd_{secrets.token_hex(4)}_"
        url = f"postgres://{user}:{password}@{host}:{port}/{database}?table_prefix={prefix}"
        self.stop(self.start(STORE_URL=url))
        subprocess.run(["psql", "-q", "-h", host, "-p", port, "-U", user, database, "-c",
                        f"UPDATE {prefix}kv SET v = 'elsewhere' WHERE cat = 'store' AND k = 'place'"],
                       capture_output=True, text=True, timeout=LONGEST_S, check=True, env={**os.environ, "PGPASSWORD": password})
        done = self.call(STORE_URL=url)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("--store cloned", done.stderr)
        self.stop(self.start(arguments=["--store", "cloned"], STORE_URL=url))

    def addresses(self):
        directory = os.environ.get("WEFT_SERVERS")
        if not directory:
            self.skipTest("there is no WEFT_SERVERS")
        return dict(line.split("=", 1) for line in (pathlib.Path(directory) / "addresses").read_text().splitlines())

    def postgres(self):
        return re.fullmatch(r"postgres://([^:]+):([^@]+)@([^:]+):(\d+)/(.+)", self.addresses()["WEFT_POSTGRES"]).groups()

    def test_writes_on_postgres_read_no_whole_tables(self):
        user, password, host, port, database = self.postgres()
        prefix = f"weftd_{secrets.token_hex(4)}_"
        weftd = self.start(STORE_URL=f"postgres://{user}:{password}@{host}:{port}/{database}?table_prefix={prefix}")
        for i in range(100):
            self.assertEqual(self.submit(f"{i}", "", "", wait=True)[0], 200)
        self.stop(weftd)

        def scans(table):
            done = subprocess.run(["psql", "-qAt", "-h", host, "-p", port, "-U", user, database, "-c",
                                   f"SELECT n_tup_upd, seq_scan FROM pg_stat_user_tables WHERE relname = '{prefix}{table}'"],
                                  capture_output=True, text=True, timeout=LONGEST_S, check=True, env={**os.environ, "PGPASSWORD": password})
            return [int(n) for n in done.stdout.split("|")]

        # A plan that was made for empty tables would read more of them with every row.
        for table, updates in (("trans_global", 100), ("trans_branch_op", 200)):
            self.assertTrue(eventually(lambda: scans(table)[0] >= updates), scans(table))
            self.assertLess(scans(table)[1], 20)

    # Whoever says no says so again: that is no reason to look as if all were well. (A server that is not there may come yet.)
    def test_a_wrong_database_or_role_is_not_waited_for(self):
        user, password, host, port, database = self.postgres()
        here = f"{host}:{port}"
        wrong = {f"postgres://{user}:{password}@{here}/nowhere": "nowhere", f"postgres://nobody:{password}@{here}/{database}": "nobody"}
        mysql = self.addresses().get("WEFT_MYSQL", "")
        if mysql:
            wrong[re.sub(r"(//[^/]+/)\w+", r"\1nowhere", mysql)] = "nowhere"
            wrong[re.sub(r"//[^:@]+", "//nobody", mysql)] = "nobody"
        began = time.monotonic()
        started = [(self.start(ready=False, STORE_URL=url), self.log, name) for url, name in wrong.items()]
        for weftd, log, name in started:
            self.assertEqual(weftd.wait(LONGEST_S), 1, log.read_text())
            self.assertIn(name, log.read_text().splitlines()[-1])
            self.assertIn(" error ", log.read_text().splitlines()[-1])
            self.assertIn("waiting for the store", log.read_text())
        self.assertGreater(time.monotonic() - began, 10)

    def test_waits_for_the_store(self):
        user, password, host, port, database = self.postgres()
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))  # not listening yet: connections are refused
            here = listener.getsockname()[1]
            through = f"postgres://{user}:{password}@127.0.0.1:{here}/{database}?table_prefix=weftd_{secrets.token_hex(4)}_"
            weftd = self.start(ready=False, STORE_URL=through)
            self.assertTrue(eventually(lambda: self.log.read_text().count("waiting for the store, trying again in 3 s") >= 1), self.log.read_text())
            # Asked to stop meanwhile, it does.
            self.stop(weftd)
            weftd = self.start(ready=False, STORE_URL=through)
            self.assertTrue(eventually(lambda: "waiting for the store" in self.log.read_text()), self.log.read_text())
            listener.listen()
            threading.Thread(target=forward, args=(listener, host, int(port)), daemon=True).start()
            self.await_port(weftd)
            self.assertEqual(self.submit("late", "", wait=True)[0], 200)
            self.assertEqual(self.status("late"), "succeed")
            self.assertNotIn(password, self.log.read_text())
            self.stop(weftd)


    # What is asked of the store then is still under way when the process ends.
    def test_ends_while_its_store_hangs(self):
        user, password, host, port, database = self.postgres()
        # Once from what is sent next on, and once while a session is opened to count what has not ended, every 15 s.
        for deadline, since in (("0", b""), ("1", b"SET extra_float_digits")):
            armed, silent, heard = threading.Event(), threading.Event(), threading.Event()

            def hung(data, since=since, armed=armed, silent=silent, heard=heard):
                if armed.is_set() and since in data:
                    silent.set()
                if silent.is_set():
                    heard.set()
                return silent.is_set()

            with self.subTest(deadline), socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen()
                threading.Thread(target=forward, args=(listener, host, int(port), hung), daemon=True).start()
                weftd = self.start(WEFT_DRAIN_DEADLINE=deadline, STORE_URL=f"postgres://{user}:{password}@127.0.0.1:{listener.getsockname()[1]}/"
                                   f"{database}?table_prefix=weftd_{secrets.token_hex(4)}_")
                self.submit("busy", "", wait=True)
                if since:
                    time.sleep(8)  # until the store has opened what it needs, which nothing says: sooner, it is one of those sessions that is met
                armed.set()
                if since:
                    self.assertTrue(heard.wait(LONGEST_S))

                def asks(path, body=None):
                    with contextlib.suppress(OSError, http.client.HTTPException):
                        self.ask("POST" if body else "GET", path, body)

                clients = [threading.Thread(target=asks, args=a) for a in
                           (("/api/dtmsvr/query?gid=busy",), ("/api/dtmsvr/all",), ("/api/metrics",),
                            ("/api/dtmsvr/submit", {"gid": "late", "trans_type": "saga", "steps": [{"action": ""}], "payloads": ["{}"]}))]
                for c in clients:
                    c.start()
                self.assertTrue(heard.wait(LONGEST_S))
                time.sleep(0.5)  # until each of them waits for the store
                began = time.monotonic()
                self.stop(weftd)
                self.assertLess(time.monotonic() - began, 20)
                for c in clients:
                    c.join(LONGEST_S)


def forward(listener, host, port, hung=lambda data: False):
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not hung(data):
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    with contextlib.suppress(OSError):
        while True:
            here, _ = listener.accept()
            there = socket.create_connection((host, port))
            for ends in ((here, there), (there, here)):
                threading.Thread(target=pump, args=ends, daemon=True).start()


if __name__ == "__main__":
    PROGRAM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=2)
