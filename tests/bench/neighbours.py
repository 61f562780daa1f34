#!/usr/bin/env python3
"""Figures of bad neighbours: starts database servers, runs weft_neighbours on them, and does to the servers what the scenario says.

    neighbours.py PROGRAM row|hung|restart|waiters|away postgres|mysql

row      1,000 workflows beside ten that wait for a row which somebody holds for 25 s
hung     a fleet of four engines, and a participant that hangs
restart  200 workflows in flight, and the store's database is away for 6 s
waiters  20,000 callers who wait for workflows that do not end
away     the store's database is away for 60 s, and 1,000 clients ask again and again
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "servers"))
import servers as private  # noqa: E402


def main():
    match sys.argv[1:]:
        case [program, ("row" | "hung" | "restart" | "waiters" | "away") as scenario, ("postgres" | "mysql") as kind]:
            pass
        case _:
            sys.exit(__doc__)
    servers = private.Servers(durable=True)
    # As PostgreSQL, PostgreSQL with its defaults, MariaDB, MariaDB with its defaults.
    first = 0 if kind == "postgres" else 2
    try:
        servers.start()
        store, other = servers.all[first], servers.all[first + 1]
        arguments = {"hung": [other.url], "waiters": ["20000"]}.get(scenario, [])
        child = subprocess.Popen([program, scenario, store.url, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def tell(line):
            child.stdin.write(line + "\n")
            child.stdin.flush()

        def stop():
            private.end(store)

        stopped = []
        for line in child.stdout:
            match line.strip():
                case "hang":
                    stopped = pids_of(other)
                    for pid in stopped:
                        send(pid, signal.SIGSTOP)
                    tell("hangs")
                case "resume":
                    for pid in stopped:
                        send(pid, signal.SIGCONT)
                    tell("resumed")
                case "restart":
                    stop()
                    time.sleep(6)
                    store.start()
                case "stop":
                    stop()
                    tell("stopped")
                case "start":
                    store.start()
                    tell("started")
                case said:
                    print(said, flush=True)
        sys.exit(child.wait(60))
    finally:
        servers.stop()


def pids_of(server):
    """The server's process and its children."""
    top = server.process.pid
    children = pathlib.Path(f"/proc/{top}/task/{top}/children").read_text().split()
    return [top, *map(int, children)]


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
