#!/usr/bin/env python3
"""Mixed load on a private daemon for a long time, or many streams at once. As root:

  scripts/soak.py soak MINUTES      loads, probes, map entries, reads and streams that come and go; fails
                                    where memory, descriptors or threads keep growing
  scripts/soak.py streams N RATE [S]  N streams open, RATE requests a second beside them for 20 s: latencies
                                    and memory of a stream
  scripts/soak.py idle PROBES       a daemon at rest with so many probes: memory and wake-ups a second

BIN is where the daemon is, .build/release. The directories and the bpffs are private and go away."""

import contextlib
import http.client
import json
import os
import pathlib
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = pathlib.Path(os.environ.get("BIN", ROOT / ".build/release"))
OBJECTS = ROOT / ".build/bpf/tests"


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


class Daemon:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="apiary-soak.")
        for name in ("run", "state", "bpffs"):
            os.mkdir(f"{self.directory}/{name}", 0o700)
        subprocess.run(["mount", "-t", "bpf", "bpf", f"{self.directory}/bpffs"], check=True)
        self.socket = f"{self.directory}/run/apiary.sock"
        self.log = open(f"{self.directory}/log", "w")
        self.process = subprocess.Popen(
            [BIN / "apiary", "serve", "--runtime-dir", f"{self.directory}/run", "--state-dir",
             f"{self.directory}/state", "--bpffs", f"{self.directory}/bpffs", "--socket", self.socket,
             "--log-level", "warning"], stdout=self.log, stderr=self.log)
        for _ in range(300):
            with contextlib.suppress(OSError):
                if self.ask("GET", "/v1/ready")[0] == 200:
                    return
            time.sleep(0.1)
        raise SystemExit("soak: the daemon did not become ready")

    def ask(self, method, path, body=None, kind=None, connection=None):
        own = connection or Connection(self.socket)
        headers = {"Content-Type": kind} if kind else {}
        own.request(method, path, body, headers)
        answer = own.getresponse()
        data = answer.read()
        if connection is None:
            own.close()
        return answer.status, data

    def sample(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "rss_kib": int(fields["VmRSS"].split()[0]),
            # The journal is mapped: it grows to journal_bytes and is the file system's.
            "own_kib": int(fields["RssAnon"].split()[0]), "threads": int(fields["Threads"]),
            "fds": len(os.listdir(f"/proc/{self.process.pid}/fd")),
            "switches": int(fields["voluntary_ctxt_switches"]),
        }

    def wakeups(self):
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            for line in (task / "status").read_text().splitlines():
                if line.startswith("voluntary_ctxt_switches"):
                    total += int(line.split()[1])
        return total

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(20)
        self.process.kill()
        self.process.wait()
        if subprocess.run(["umount", f"{self.directory}/bpffs"]).returncode:
            subprocess.run(["umount", "--lazy", f"{self.directory}/bpffs"])
        subprocess.run(["rm", "-rf", "--one-file-system", self.directory], check=True)


class Load:
    """What clients of all kinds do, at random but always the same."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.ends = threading.Event()
        self.counts = {}
        self.unexpected = {}
        self.lock = threading.Lock()

    def note(self, what, status, fine):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1
            if status not in fine:
                self.unexpected[(what, status)] = self.unexpected.get((what, status), 0) + 1

    def run(self, target, number):
        """A client that got no answer is an unexpected one, and the next goes on in its place."""
        while not self.ends.is_set():
            try:
                target(number)
            except (OSError, http.client.HTTPException) as error:
                self.note(target.__name__, repr(error), ())

    def programs(self, number):
        noise = random.Random(number)
        objects = {name: (OBJECTS / f"{name}.bpf.o").read_bytes() for name in ("counter", "events", "globals")}
        while not self.ends.is_set():
            name = noise.choice(list(objects))
            path = f"/v1/programs/soak{number}"
            status, _ = self.daemon.ask("PUT", f"{path}?attach=auto", objects[name])
            self.note("load", status, (200, 201, 422))
            broken = bytearray(objects[name])
            broken[noise.randrange(len(broken))] ^= 255
            status, _ = self.daemon.ask("PUT", f"{path}x?dry_run=true", bytes(broken))
            self.note("broken", status, (200, 422, 501))
            status, _ = self.daemon.ask("DELETE", f"{path}?missing_ok=true")
            self.note("unload", status, (204,))
            time.sleep(0.05)

    def entries(self, number):
        noise = random.Random(number)
        connection = Connection(self.daemon.socket)
        paths = ["/v1/programs", "/v1/probes", "/v1/maps", "/v1/health", "/v1/host", "/metrics",
                 "/v1/audit", "/v1/events/ledger", "/v1/nothing", "/v1/maps/fixed/counts/entries"]
        while not self.ends.is_set():
            status, _ = self.daemon.ask("GET", noise.choice(paths), connection=connection)
            self.note("read", status, (200, 404))
            status, _ = self.daemon.ask("GET", "/v1/maps/fixed/counts/entries/0", connection=connection)
            self.note("entry", status, (200,))
            time.sleep(0.002)

    def streams(self, number):
        noise = random.Random(number)
        while not self.ends.is_set():
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(5)
            raw.connect(self.daemon.socket)
            raw.sendall(b"GET /v1/events?since=oldest HTTP/1.1\r\nHost: localhost\r\n\r\n")
            ends = time.monotonic() + noise.random() * 3
            got = b""
            # However short: one that leaves before the first byte says nothing of the answer.
            last = ends + 60
            while time.monotonic() < (ends if got else last) and not (got and self.ends.is_set()):
                with contextlib.suppress(TimeoutError):
                    piece = raw.recv(65536)
                    got = got or piece
                    if not piece:
                        break
            self.note("stream", 200 if b" 200 " in got[:20] else 0, (200,))
            raw.close()


def slope(samples, member):
    """KiB or pieces an hour, by least squares."""
    times = [s["time"] for s in samples]
    values = [s[member] for s in samples]
    mean_t, mean_v = sum(times) / len(times), sum(values) / len(values)
    spread = sum((t - mean_t) ** 2 for t in times) or 1
    return 3600 * sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values)) / spread


def soak(daemon, minutes):
    (status, answer) = daemon.ask("PUT", "/v1/programs/fixed", (OBJECTS / "counts.bpf.o").read_bytes())
    assert status == 201, answer
    load = Load(daemon)
    threads = [threading.Thread(target=load.run, args=(target, number), daemon=True) for number, target in enumerate(
        [load.programs, load.programs, load.entries, load.entries, load.streams, load.streams, load.streams])]
    for thread in threads:
        thread.start()
    samples = []
    began = time.monotonic()
    while time.monotonic() - began < minutes * 60:
        time.sleep(5)
        samples.append({"time": time.monotonic() - began, **daemon.sample()})
        if len(samples) % 60 == 0:
            print(json.dumps({"minute": len(samples) // 12, **samples[-1]}), file=sys.stderr, flush=True)
    load.ends.set()
    for thread in threads:
        thread.join(60)
    time.sleep(35)
    quiet = daemon.sample()
    # The first third is for caches and the heap to find their size.
    steady = samples[len(samples) // 3:]
    result = {
        "minutes": minutes, "requests": load.counts, "rss_kib": [samples[0]["rss_kib"], steady[0]["rss_kib"],
        samples[-1]["rss_kib"], quiet["rss_kib"]],
        "own_kib": [samples[0]["own_kib"], steady[0]["own_kib"], samples[-1]["own_kib"], quiet["own_kib"]],
        "own_kib_per_hour": round(slope(steady, "own_kib")),
        "fds": [samples[0]["fds"], samples[-1]["fds"], quiet["fds"]],
        "threads": [samples[0]["threads"], samples[-1]["threads"], quiet["threads"]],
        "unexpected": {f"{what} {status}": n for (what, status), n in load.unexpected.items()},
    }
    print(json.dumps(result, indent=1))
    failures = []
    grown = steady[-1]["own_kib"] - steady[0]["own_kib"]
    # Ten minutes say little about an hour: only what grew for certain fails the run.
    if grown > 16 << 10 and result["own_kib_per_hour"] > 32 << 10:
        failures.append(f"memory grows by {result['own_kib_per_hour']} KiB an hour")
    if quiet["threads"] > samples[0]["threads"]:
        failures.append("threads were left")
    if quiet["fds"] > samples[0]["fds"] + 16:
        failures.append("descriptors were left")
    if load.unexpected:
        failures.append("unexpected answers")
    if daemon.process.poll() is not None:
        failures.append("the daemon died")
    if failures:
        raise SystemExit("soak: " + "; ".join(failures))


def streams(daemon, count, rate, length=20):
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    daemon.ask("PUT", "/v1/programs/events", (OBJECTS / "events.bpf.o").read_bytes())
    daemon.ask("GET", "/v1/programs")
    before = daemon.sample()
    open_ones = []
    for _ in range(count):
        raw = socket.socket(socket.AF_UNIX)
        raw.connect(daemon.socket)
        raw.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        open_ones.append(raw)
    for raw in open_ones:
        raw.settimeout(30)
        assert b" 200 " in raw.recv(4096)[:20]
    with_streams = daemon.sample()
    connection = Connection(daemon.socket)
    latencies = []
    began = time.monotonic()
    while time.monotonic() - began < length:
        due = began + len(latencies) / rate
        if due > time.monotonic():
            time.sleep(due - time.monotonic())
        start = time.perf_counter()
        status, _ = daemon.ask("GET", "/v1/health", connection=connection)
        assert status == 200
        latencies.append(time.perf_counter() - start)
    latencies.sort()
    for raw in open_ones:
        raw.close()
    ended = time.monotonic()
    after = daemon.sample()
    while after["fds"] > before["fds"] + 4 and time.monotonic() - ended < 60:
        time.sleep(0.5)
        after = daemon.sample()
    print(json.dumps({
        "streams": count, "requests_per_s": round(len(latencies) / length), "p50_ms": round(
            latencies[len(latencies) // 2] * 1e3, 3), "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1e3, 3),
        "kib_per_stream": round((with_streams["rss_kib"] - before["rss_kib"]) / count, 1),
        "fds": [before["fds"], with_streams["fds"], after["fds"]],
        "ended_after_s": round(time.monotonic() - ended, 1), "rss_kib": [before["rss_kib"], with_streams["rss_kib"], after["rss_kib"]]}))


def idle(daemon, probes):
    # The kernel takes a function once at a place, and 64 functions at a tracepoint.
    objects = ["counter", "crowd", "rawtracepoint", "tpbtf"]
    for number in range(probes):
        body = (OBJECTS / f"{objects[number % len(objects)]}.bpf.o").read_bytes()
        status, text = daemon.ask("PUT", f"/v1/programs/p{number}?attach=auto", body)
        assert status == 201, text
    time.sleep(45)
    smaps = pathlib.Path(f"/proc/{daemon.process.pid}/smaps_rollup").read_text()
    parts = {line.split(":")[0]: int(line.split()[1]) for line in smaps.splitlines()[1:] if line.split()[2:] == ["kB"]}
    before = daemon.wakeups()
    time.sleep(20)
    print(json.dumps({"probes": probes, "wakeups_per_s": (daemon.wakeups() - before) / 20, **daemon.sample(),
                      "private_kib": parts["Private_Clean"] + parts["Private_Dirty"], "anonymous_kib": parts["Anonymous"],
                      "shared_kib": parts["Shared_Clean"] + parts["Shared_Dirty"]}))


def main():
    if os.geteuid() != 0:
        raise SystemExit("soak: root is needed, to load BPF programs")
    mode, words = sys.argv[1], [float(word) for word in sys.argv[2:]]
    daemon = Daemon()
    try:
        {"soak": lambda: soak(daemon, *words), "streams": lambda: streams(daemon, int(words[0]), *words[1:]),
         "idle": lambda: idle(daemon, int(words[0]))}[mode]()
    finally:
        daemon.stop()


main()
