"""A RabbitMQ for tests, with its plugin for AMQP 1.0: on free ports, with users and passwords of its own."""

from __future__ import annotations

import atexit
import base64
import contextlib
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

#: Also their passwords.
USERS = ("alice", "bob", "server")
#: What an address of an existing queue looks like there.
LETTERS, REPLIES, DEAD = "/amq/queue/letters", "/amq/queue/replies", "/amq/queue/dead"

_START_TIMEOUT = 240.0
#: Ends the client that comes from a port of this machine; one line, one port.
_PROBE = """
Node = list_to_atom(os:getenv("PROBED")),
From = fun(P) ->
    case rpc:call(Node, erlang, process_info, [P, dictionary]) of
        {_, Dictionary} ->
            case proplists:get_value(process_name, Dictionary) of
                {rabbit_reader, Name} -> hd(string:split(Name, " "));
                _ -> <<>>
            end;
        _ -> <<>>
    end
end,
Loop = fun(Self) ->
    case io:get_line("") of
        eof -> halt(0);
        {error, _} -> halt(0);
        Line ->
            Client = list_to_binary("127.0.0.1:" ++ string:trim(Line)),
            case [P || P <- rpc:call(Node, erlang, processes, []), From(P) =:= Client] of
                [] -> io:format("nobody~n");
                [Pid | _] ->
                    Monitor = monitor(process, Pid), exit(Pid, kill),
                    receive {'DOWN', Monitor, _, _, _} -> ok end, io:format("killed~n")
            end,
            Self(Self)
    end
end,
Loop(Loop).
"""


def missing_part() -> str | None:
    """What it lacks here; None for nothing."""
    if _server() is None:
        return "RabbitMQ with its AMQP 1.0 plugin (tests/servers/install)"
    return None if shutil.which("erl") else "Erlang (tests/servers/install)"


def _server() -> Path | None:
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-3.*/sbin/rabbitmq-server"))
    return found[-1] if found else None


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RabbitMQ:
    """The broker; a context manager. Starting takes some seconds.

    Args:
        keys: Certificate with key, and whom it trusts, for a listener with TLS; users sign on by certificate there too.

    Attributes:
        port: Where it listens in plain text.
        tls_port: Where it listens with TLS; 0 without keys.
    """

    def __init__(self, keys: tuple[bytes, bytes] | None = None) -> None:
        self._keys = keys
        self.tls_port = 0 if keys is None else free_port()

    def __enter__(self) -> RabbitMQ:
        atexit.register(self.stop)
        self._folder = Path(tempfile.mkdtemp(prefix="connector-rabbitmq-"))
        self._owner = pwd.getpwnam("rabbitmq") if os.getuid() == 0 else None
        self.port = free_port()
        self._node = f"connector{os.getpid()}@localhost"
        self._cookie = base64.b32encode(os.urandom(10)).decode()
        self._environment = self._make_environment()
        self._configure()
        self._log = (self._folder / "output.log").open("wb")
        # The port mapper as a program of ours: what the server starts by itself would outlive tests that are killed.
        self._mapper = self._run(["epmd"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._probe: subprocess.Popen[Any] | None = None
        self.start()
        return self

    def start(self) -> None:
        """Start it; again, after `crash`."""
        server = _server()
        assert server is not None
        self._process = self._run([str(server)], stdout=self._log, stderr=subprocess.STDOUT)
        try:
            self._await()
        except BaseException:
            self.stop()
            raise

    def crash(self) -> None:
        """Kill it where it stands: it has no moment left to write anything."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End it and remove its folder; also when the interpreter exits."""
        atexit.unregister(self.stop)
        for process in (self._probe, self._process):
            if process is not None and process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait(10)
            for pipe in (process.stdin, process.stdout) if process is not None else ():
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
        # The port mapper, whoever started it; it has a port of its own, so it is nobody else's.
        subprocess.run(["epmd", "-kill"], env=self._environment, check=False, capture_output=True)
        self._mapper.wait(10)
        self._log.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self, port: int) -> None:
        """Break that client's connection from the broker's side."""
        assert self._ask(str(port)) == "killed"

    # --- inside -------------------------------------------------------------------------------------------------------

    def _make_environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(free_port()),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "PROBED": self._node,
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        }

    def _configure(self) -> None:
        folder = self._folder
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\nload_definitions = {folder}/definitions.json\n"
            "loopback_users = none\namqp1_0.default_user = none\n"
        )
        plugins = "rabbitmq_amqp1_0"
        if self._keys is not None:
            plugins += ",rabbitmq_auth_mechanism_ssl"
            (folder / "keys.pem").write_bytes(self._keys[0])
            (folder / "trusted.pem").write_bytes(self._keys[1])
            with (folder / "rabbitmq.conf").open("a") as configuration:
                configuration.write(
                    f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}\nssl_options.cacertfile = {folder}/trusted.pem\n"
                    f"ssl_options.certfile = {folder}/keys.pem\nssl_options.keyfile = {folder}/keys.pem\n"
                    "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = false\n"
                    "ssl_cert_login_from = common_name\n"
                    "auth_mechanisms.1 = PLAIN\nauth_mechanisms.2 = EXTERNAL\n"
                )
        (folder / "plugins").write_text(f"[{plugins}].\n")
        (folder / "definitions.json").write_text(json.dumps(_definitions()))
        (folder / ".erlang.cookie").write_text(self._cookie)
        (folder / ".erlang.cookie").chmod(0o400)
        if self._owner is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, self._owner.pw_uid, self._owner.pw_gid)

    def _run(self, command: list[str], **options: Any) -> subprocess.Popen[Any]:
        if self._owner is not None:
            options |= {"user": self._owner.pw_uid, "group": self._owner.pw_gid, "extra_groups": []}
        return subprocess.Popen(command, env=self._environment, cwd=self._folder, start_new_session=True, **options)

    def _await(self) -> None:
        end = time.monotonic() + _START_TIMEOUT
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                    client.sendall(b"AMQP\x03\x01\x00\x00")
                    if client.recv(8) == b"AMQP\x03\x01\x00\x00":
                        return
            except OSError:
                pass
            time.sleep(0.2)
        raise RuntimeError((self._folder / "output.log").read_text()[-3000:])

    def _ask(self, question: str) -> str:
        if self._probe is None:
            command = ["erl", "-noshell", "-hidden", "-sname", f"probe{os.getpid()}@localhost"]
            self._probe = self._run(
                [*command, "-setcookie", self._cookie, "-eval", _PROBE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
        probe = self._probe
        assert probe.stdin is not None
        assert probe.stdout is not None
        probe.stdin.write(question + "\n")
        probe.stdin.flush()
        return str(probe.stdout.readline()).strip()


def _definitions() -> dict[str, Any]:
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    confined = {"configure": "", "write": "^letters$|^amq.default$|^$", "read": "^replies$"}
    return {
        "users": [_user(name) for name in (*USERS, "confined")],
        "vhosts": [{"name": "/"}],
        "permissions": [
            *({"user": name, "vhost": "/", **everything} for name in USERS),
            {"user": "confined", "vhost": "/", **confined},
        ],
        "queues": [
            _queue("letters", {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}),
            _queue("replies", {}),
            _queue("dead", {}),
        ],
    }


def _queue(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "vhost": "/", "durable": True, "auto_delete": False, "arguments": arguments}


def _user(name: str) -> dict[str, Any]:
    salt = os.urandom(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + password_of(name).encode()).digest()).decode()
    return {"name": name, "password_hash": digest, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}


def password_of(name: str) -> str:
    """A user's password there."""
    return f"rabbits-{name}"
