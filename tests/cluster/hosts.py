"""Pretend hosts: network, name, shared memory and disc of their own, on one machine.

All of them live in one process namespace with a small init. When it ends, by `close` or because
the tests died, the kernel ends every process in it, and with them go namespaces, mounts and
network: nothing is left behind. Processes are seen by all hosts, so that a launch agent can enter
one from another.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

REAP = """
import os, time
while True:
    try:
        os.wait()
    except ChildProcessError:
        time.sleep(0.02)
"""
"""The init of the namespace: orphans become its children, and would stay as zombies."""

OWN = ("--net", "--uts", "--ipc", "--mount")
"""What a host has for itself."""
ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", *OWN)
"""What all hosts together have."""

ON = """#!/bin/sh
# on HOST COMMAND...: run a command on a host.
host=$1; shift
[ -s "{folder}/$host.pid" ] || {{ echo "no route to host $host" >&2; exit 255; }}
exec nsenter -t "$(cat "{folder}/$host.pid")" -n -u -i -m -w"$PWD" -- "$@"
"""
AGENT = """#!/bin/sh
# The launch agent of mpirun, called as ssh is: agent [OPTIONS] HOST WORDS-FOR-A-SHELL...
while [ "${{1#-}}" != "$1" ]; do shift; done
host=$1; shift
exec "{folder}/on" "$host" sh -c "$*"
"""
BOOT = """
echo $$ > "{folder}/{host}.pid.new"
hostname {host}
ip link set lo up
mount -t tmpfs -o size=2g,mode=1777 shm /dev/shm
mount -t tmpfs -o size=256m,mode=1777 disc "{folder}/disc"
mount --bind "{folder}/hosts" /etc/hosts
mv "{folder}/{host}.pid.new" "{folder}/{host}.pid"
exec sleep infinity
"""
NEEDED = ("unshare", "nsenter", "ip", "mount", "setpriv")
DEADLINE_S = 20.0


def why_not() -> str | None:
    """Return why there can be no pretend hosts here, or None if there can."""
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: util-linux, iproute2)"
    tried = subprocess.run(
        [*ALONE, "ip", "link", "add", "br0", "type", "bridge"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
    )
    return f"no right to make namespaces: {tried.stderr.strip()}" if tried.returncode else None


class Hosts:
    """Hosts n0 .. n(N-1) on the network 10.77.0.0/24; a context."""

    def __init__(self, n_hosts: int) -> None:
        self.names = [f"n{i}" for i in range(n_hosts)]
        self.folder = Path(tempfile.mkdtemp(prefix="hosts"))
        """Seen by all hosts under the same name."""
        self.disc = self.folder / "disc"
        """The same name, but on each host a small disc of its own."""

    def address(self, host: str) -> str:
        """Return the number under which a host is reached."""
        return f"10.77.0.{int(host[1:]) + 1}"

    def __enter__(self) -> "Hosts":
        self.folder.chmod(0o755)  # daemons of other users look in here
        self.disc.mkdir()
        names = [f"{self.address(host)} {host}\n" for host in self.names]
        self.folder.joinpath("hosts").write_text("127.0.0.1 localhost\n" + "".join(names))
        for name, text in (("on", ON), ("agent", AGENT)):
            self.folder.joinpath(name).write_text(text.format(folder=self.folder))
            self.folder.joinpath(name).chmod(0o755)
        # The one ends with the tests, however they end; the other with the one.
        self._unshare = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *ALONE, sys.executable, "-c", REAP],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            self._init = _wait_for(self._find_init, "the first process of the hosts")
            self.inside("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
            self.inside("ip", "link", "set", "br0", "up")
            for host in self.names:
                self.boot(host)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process on every host, and remove the folder."""
        self._unshare.kill()
        self._unshare.wait(DEADLINE_S)
        if hasattr(self, "_init"):
            _wait_for(lambda: not _runs(self._init), "the end of the hosts")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _find_init(self) -> int | None:
        children = Path(f"/proc/{self._unshare.pid}/task/{self._unshare.pid}/children")
        found = children.read_text().split()
        if self._unshare.poll() is not None:
            raise RuntimeError(f"unshare ended with code {self._unshare.returncode}")
        ready = found and Path(f"/proc/{found[0]}/cmdline").read_bytes().count(b"os.wait")
        return int(found[0]) if ready else None

    # --- hosts

    def boot(self, host: str) -> None:
        """Switch a host on."""
        script = BOOT.format(folder=self.folder, host=host)
        self.start("unshare", *OWN, "sh", "-ec", script, log=self.folder / f"{host}.log")
        file = self.folder / f"{host}.pid"
        pid = _wait_for(lambda: file.exists() and file.read_text().strip(), f"host {host}")
        port, card = f"port{host}", f"02:00:00:00:00:{int(host[1:]):02x}"
        self.inside(
            *("ip", "link", "add", port, "type", "veth"),
            *("peer", "name", "eth0", "address", card, "netns", str(pid)),
        )
        self.inside("ip", "link", "set", port, "master", "br0", "up")
        self.on(host, "ip", "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
        self.on(host, "ip", "link", "set", "eth0", "up")

    def power_off(self, host: str) -> None:
        """End all processes of a host at once, without a goodbye on the network."""
        network = self._network(host)
        self.inside("ip", "link", "del", f"port{host}")
        self.folder.joinpath(f"{host}.pid").unlink()
        while pids := [pid for pid in _all_pids() if _network_of(pid) == network]:
            for pid in pids:
                _kill(pid)
            time.sleep(0.01)

    def cut(self, host: str) -> None:
        """Pull the network cable of a host."""
        self.inside("ip", "link", "set", f"port{host}", "down")

    def mend(self, host: str) -> None:
        """Put the network cable of a host back."""
        self.inside("ip", "link", "set", f"port{host}", "up")

    def pids(self, host: str, word: str) -> list[int]:
        """Return the processes of a host with a word in their line, as this machine counts them."""
        network = self._network(host)
        return [p for p in _all_pids() if _network_of(p) == network and word in _line_of(p)]

    def _network(self, host: str) -> str:
        return self.on(host, "readlink", "/proc/self/ns/net").strip()

    # --- commands

    def on(self, host: str, *command: str, **how: object) -> str:
        """Run a command on a host, and return what it says; see `inside`."""
        return self.inside(str(self.folder / "on"), host, *command, **how)  # type: ignore[arg-type]

    def inside(
        self,
        *command: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout_s: float = 60.0,
    ) -> str:
        """Run a command beside the hosts, and return its standard output.

        Raises
        ------
        RuntimeError
            With what it said, when it failed.
        """
        done = subprocess.Popen(
            [*self._enter(cwd), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=None if env is None else dict(env),
            start_new_session=True,
        )
        try:
            out, err = done.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(done.pid, signal.SIGKILL)
            raise
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {err}{out}")
        return out

    def start(self, *command: str, log: Path, env: Mapping[str, str] | None = None) -> None:
        """Start a command beside the hosts and let it run; it ends with them."""
        with log.open("ab") as file:
            self.inside(
                *("sh", "-c", 'log=$1; shift; "$@" >> "$log" 2>&1 < /dev/null &', "sh"),
                *(str(log), *command),
                env=env,
            )
            file.flush()

    def _enter(self, cwd: Path | None) -> list[str]:
        where = str(cwd or self.folder)
        return ["nsenter", "-t", str(self._init), "-p", "-n", "-u", "-i", "-m", f"-w{where}", "--"]


def _wait_for(condition, what: str, seconds: float = DEADLINE_S):  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come within {seconds:g} s")
        time.sleep(0.01)
    return found


def _all_pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _network_of(pid: int) -> str | None:
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except OSError:  # it has ended
        return None


def _line_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
