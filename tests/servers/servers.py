#!/usr/bin/env python3
"""Private database servers for a test run: PostgreSQL and MariaDB, in a temporary directory, on free loopback ports; and a second, plain
one of each, with that server's own defaults (PostgreSQL: without prepared transactions), which a test may crash, or change for everybody.

    servers.py start DIR     starts them and returns; DIR/addresses then says where they are (WEFT_POSTGRES=…, WEFT_POSTGRES_PLAIN=…,
                             WEFT_MYSQL=…, WEFT_MYSQL_PLAIN=…, WEFT_TLS_CA=…: who signed the certificates of WEFT_MYSQL and
                             WEFT_POSTGRES_PLAIN, WEFT_TLS_STRANGER=…: who did not)
    servers.py stop DIR      stops them and removes what they wrote
    servers.py run [--durable] COMMAND…
                             starts them, runs the command with those addresses in its environment, stops them; durable: each commit
                             waits for the disk, as servers do by default (for measurements; tests kill processes, never the machine)

The servers are children of a keeper, which ends them when it is told to, when the process that called `start` is gone (ctest, a
shell), or after three hours. Servers that insist on it run as the user that their package made.
"""

import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

LONGEST_S = 3 * 3600
START_S = 90


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_user(name):
    """Popen's arguments to run as that user, where we are root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(directory, name):
    if os.geteuid() == 0:
        user = pwd.getpwnam(name)
        os.chown(directory, user.pw_uid, user.pw_gid)


def end_of(log):
    """What it said last: its file goes with the servers."""
    return f"{log.name}:\n{pathlib.Path(log.name).read_text(errors='replace')[-6000:]}"


def run(command, log, **more):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=START_S, **more)
    if done.returncode != 0:
        raise SystemExit(f"servers: {command[0]} failed ({done.returncode}): {end_of(log)}")


def await_port(port, server, log):
    """Until it accepts connections."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit(f"servers: {server.args[0]} ended at once: {end_of(log)}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"servers: {server.args[0]} does not answer, see {log.name}")


class Certificates:
    """An authority, and a certificate of it for 127.0.0.1: made anew for each run."""

    def __init__(self, directory):
        self.authority, self.certificate, self.key = directory / "ca.pem", directory / "server.pem", directory / "server.key"
        self.stranger = directory / "stranger.pem"  # an authority that has signed nothing

    def create(self, log):
        def key(name):
            return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(name)]
        ca_key, request, names = (self.key.with_name(n) for n in ("ca.key", "server.csr", "names"))
        for authority, its_key in ((self.authority, ca_key), (self.stranger, self.key.with_name("stranger.key"))):
            run(["openssl", "req", "-x509", "-days", "2", *key(its_key), "-out", str(authority), "-subj", f"/CN=weft {authority.stem}"], log)
        run(["openssl", "req", *key(self.key), "-out", str(request), "-subj", "/CN=127.0.0.1"], log)
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        run(["openssl", "x509", "-req", "-days", "2", "-in", str(request), "-CA", str(self.authority), "-CAkey", str(ca_key), "-CAcreateserial",
             "-extfile", str(names), "-out", str(self.certificate)], log)

    def key_for(self, user):
        """The server's key, as that user's own."""
        copy = self.key.with_name(f"{user}.key")
        shutil.copy(self.key, copy)
        copy.chmod(0o600)
        own(copy, user)
        return copy


class Postgres:
    # max_prepared_transactions: for XA.
    name, stop_signal, quit_signal = "postgres", signal.SIGINT, signal.SIGQUIT
    quick = ["fsync=off"]
    settings = ["max_prepared_transactions=200", "max_connections=200", "listen_addresses=127.0.0.1", "logging_collector=off"]

    def __init__(self, directory, port, password, durable):
        self.directory, self.port, self.password, self.log = directory / "postgres", port, password, None
        self.settings = [*self.settings, *([] if durable else self.quick)]
        places = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name), reverse=True)
        self.bin = f"{places[0]}/" if places else ""
        self.url = f"postgres://weft:{password}@127.0.0.1:{port}/postgres"

    def create(self):
        self.directory.mkdir()
        own(self.directory, "postgres")
        self.log = open(self.directory.parent / "postgres.log", "ab")
        word = self.directory.parent / "postgres.password"
        word.write_text(self.password)
        own(word, "postgres")
        run([f"{self.bin}initdb", "-D", str(self.directory / "data"), "-U", "weft", "-A", "scram-sha-256", f"--pwfile={word}", "-E", "UTF8",
             "--locale=C", "--no-sync"], self.log, cwd="/", **as_user("postgres"))

    def start(self):
        settings = [x for s in [*self.settings, f"port={self.port}", f"unix_socket_directories={self.directory}"] for x in ("-c", s)]
        self.process = subprocess.Popen([f"{self.bin}postgres", "-D", str(self.directory / "data"), *settings], cwd="/",
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **as_user("postgres"))
        await_port(self.port, self.process, self.log)
        # It accepts connections before it has recovered, and refuses them with "starting up".
        end = time.monotonic() + START_S
        while subprocess.run([f"{self.bin}pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], timeout=START_S).returncode != 0:
            if time.monotonic() > end:
                raise SystemExit("servers: postgres does not get ready")
            time.sleep(0.05)


class PlainPostgres(Postgres):
    """With the server's own defaults, and TLS: it prepares no transactions."""
    settings = ["listen_addresses=127.0.0.1", "logging_collector=off"]

    def __init__(self, directory, port, like, certificates):
        super().__init__(directory, port, like.password, False)
        self.like, self.directory, self.certificates = like, directory / "postgres-plain", certificates

    def create(self):
        """A copy of one that was created and has not been started: quicker than another initdb."""
        self.log = open(self.directory.parent / "postgres-plain.log", "ab")
        run(["cp", "-a", str(self.like.directory), str(self.directory)], self.log)
        key = self.certificates.key_for("postgres")
        self.settings = [*self.settings, "ssl=on", f"ssl_cert_file={self.certificates.certificate}", f"ssl_key_file={key}"]


class Mariadb:
    name, stop_signal, quit_signal = "mariadb", signal.SIGTERM, signal.SIGKILL
    quick = ["--innodb-flush-log-at-trx-commit=2"]
    settings = ["--max-connections=200", "--bind-address=127.0.0.1", "--skip-name-resolve",
                "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--character-set-server=utf8mb4", "--performance-schema=off",
                "--max-allowed-packet=64M"]

    def __init__(self, directory, port, password, durable, certificates=None):  # None: no TLS
        self.directory, self.port, self.password, self.log = directory / "mariadb", port, password, None
        self.certificates = certificates
        self.settings = [*self.settings, *([] if durable else self.quick)]
        self.url = f"mysql://weft:{password}@127.0.0.1:{port}/mysql"

    def create(self):
        self.directory.mkdir()
        own(self.directory, "mysql")
        self.log = open(self.directory.parent / "mariadb.log", "ab")
        run(["mariadb-install-db", "--no-defaults", f"--datadir={self.directory}/data", "--skip-test-db", "--auth-root-authentication-method=normal"],
            self.log, env=self.environment(), **as_user("mysql"))

    def environment(self):
        """A directory of its own for temporary tables: a server that starts removes those of all others that share it."""
        temporary = self.directory / "tmp"
        temporary.mkdir(exist_ok=True)
        own(temporary, "mysql")
        return {**os.environ, "TMPDIR": str(temporary)}

    def start(self):
        first = self.directory / "first.sql"
        first.write_text(f"CREATE USER IF NOT EXISTS 'weft'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
                         "GRANT ALL PRIVILEGES ON *.* TO 'weft'@'127.0.0.1' WITH GRANT OPTION;\n")
        own(first, "mysql")
        tls = self.certificates and [f"--ssl-ca={self.certificates.authority}", f"--ssl-cert={self.certificates.certificate}",
                                     f"--ssl-key={self.certificates.key_for('mysql')}"]
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", f"--datadir={self.directory}/data", f"--socket={self.directory}/socket", f"--pid-file={self.directory}/pid",
             f"--port={self.port}", f"--init-file={first}", *(tls or []), *self.settings], cwd="/",
            env=self.environment(), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, **as_user("mysql"))
        await_port(self.port, self.process, self.log)


class PlainMariadb(Mariadb):
    """Settings that belong to the whole server are changed here, where nobody else minds."""
    settings = ["--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-buffer-pool-size=32M", "--character-set-server=utf8mb4",
                "--performance-schema=off"]

    def __init__(self, directory, port, like):
        super().__init__(directory, port, like.password, False, like.certificates)
        self.like, self.directory = like, directory / "mariadb-plain"

    def create(self):
        """A copy of one that was created and has not been started."""
        self.log = open(self.directory.parent / "mariadb-plain.log", "ab")
        run(["cp", "-a", str(self.like.directory), str(self.directory)], self.log)


def end(server):
    process = getattr(server, "process", None)
    if process is None or process.poll() is not None:
        return
    process.send_signal(server.stop_signal)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


class Servers:
    """All of them, in a directory of their own."""

    def __init__(self, durable=False):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="weft-servers-"))
        self.directory.chmod(0o755)
        password = secrets.token_hex(8)
        postgres = Postgres(self.directory, free_port(), password, durable)
        self.certificates = Certificates(self.directory)
        mariadb = Mariadb(self.directory, free_port(), password, durable, self.certificates)
        self.all = [postgres, PlainPostgres(self.directory, free_port(), postgres, self.certificates), mariadb,
                    PlainMariadb(self.directory, free_port(), mariadb)]

    def start(self):
        with open(self.directory / "certificates.log", "ab") as log:
            self.certificates.create(log)
        for server in self.all:
            server.create()
        for server in self.all:
            server.start()
        names = ["WEFT_POSTGRES", "WEFT_POSTGRES_PLAIN", "WEFT_MYSQL", "WEFT_MYSQL_PLAIN"]
        return {**dict(zip(names, [server.url for server in self.all])),
                "WEFT_TLS_CA": str(self.certificates.authority), "WEFT_TLS_STRANGER": str(self.certificates.stranger)}

    def stop(self):
        """At once: nobody will read again what they wrote."""
        for server in self.all:
            if process := getattr(server, "process", None):
                process.send_signal(server.quit_signal)
        for server in self.all:
            end(server)
        shutil.rmtree(self.directory, ignore_errors=True)


def keep(place, caller):
    """The keeper: a process of its own from here on."""
    servers = Servers()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        addresses = servers.start()
        ready = place / "addresses.new"
        ready.write_text("".join(f"{k}={v}\n" for k, v in addresses.items()))
        ready.rename(place / "addresses")
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and os.path.exists(f"/proc/{caller}"):
            time.sleep(0.5)
    finally:
        (place / "addresses").unlink(missing_ok=True)
        servers.stop()


def is_keeper(pid):
    try:
        return b"servers.py" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def stop(place):
    try:
        pid = int((place / "keeper").read_text())
    except (OSError, ValueError):
        return
    if is_keeper(pid):
        os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 60
        while is_keeper(pid) and time.monotonic() < until:
            time.sleep(0.05)
    (place / "keeper").unlink(missing_ok=True)


def start(place):
    place.mkdir(parents=True, exist_ok=True)
    stop(place)
    log = open(place / "keeper.log", "wb")
    keeper = subprocess.Popen([sys.executable, __file__, "keep", str(place), str(os.getppid())], start_new_session=True,
                              stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    (place / "keeper").write_text(str(keeper.pid))
    while not (place / "addresses").exists():
        if keeper.poll() is not None:
            raise SystemExit((place / "keeper.log").read_text() or "servers: the keeper ended")
        time.sleep(0.05)
    print((place / "addresses").read_text(), end="")


def run_with(command, durable):
    servers = Servers(durable)
    try:
        return subprocess.run(command, env={**os.environ, **servers.start()}, timeout=LONGEST_S).returncode
    finally:
        servers.stop()


def main():
    match sys.argv[1:]:
        case ["start", place]:
            start(pathlib.Path(place).absolute())
        case ["stop", place]:
            stop(pathlib.Path(place).absolute())
        case ["keep", place, caller]:
            keep(pathlib.Path(place), int(caller))
        case ["run", "--durable", *command] if command:
            sys.exit(run_with(command, True))
        case ["run", *command] if command:
            sys.exit(run_with(command, False))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
