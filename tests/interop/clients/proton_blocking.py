"""python-qpid-proton, in the style that waits for each step."""

from __future__ import annotations

import os
import sys
from typing import Any

from proton import Message, ProtonException, SSLDomain
from proton.reactor import Copy, Selector
from proton.utils import BlockingConnection, SendException


def connect(host: str, port: str) -> Any:
    options: dict[str, Any] = {"timeout": 20}
    trust, key, user = os.environ.get("WIRE_TRUST"), os.environ.get("WIRE_KEY"), os.environ.get("WIRE_USER")
    if trust:
        domain = SSLDomain(SSLDomain.MODE_CLIENT)
        domain.set_trusted_ca_db(trust)
        domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
        if key:
            domain.set_credentials(key, key, None)
            if not user:
                options["allowed_mechs"] = "EXTERNAL"
        options["ssl_domain"] = domain
    if user:
        options |= {"user": user, "password": os.environ["WIRE_PASSWORD"], "allow_insecure_mechs": True}
    elif not key:
        options["sasl_enabled"] = False
    if bus := os.environ.get("WIRE_BUS"):
        options["virtual_host"] = bus
    return BlockingConnection(f"{'amqps' if trust else 'amqp'}://{host}:{port}", **options)


def say(*words: object) -> None:
    print(*words, flush=True)


def looked_at(connection: Any, address: str, selector: str | None) -> None:
    receiver = connection.create_receiver(address, options=[Copy(), *([Selector(selector)] if selector else [])])
    link = receiver.link
    link.drain(100)
    connection.wait(lambda: not link.draining() and not link.queued, msg="waiting for all there is")
    while receiver.fetcher.has_message:
        say("message", receiver.fetcher.pop().body)
    say("end")


def act(connection: Any, action: str, address: str, *rest: str) -> None:
    if action in ("send", "relay"):
        sender = connection.create_sender(address if action == "send" else None)
        for text in rest:
            sender.send(Message(text, address=address, durable=True))
            say("accepted")
    elif action == "receive":
        selecting = Selector(rest[1]) if len(rest) > 1 else None
        receiver = connection.create_receiver(address, credit=int(rest[0]), options=selecting)
        for _ in range(int(rest[0])):
            say("message", receiver.receive().body)
            receiver.accept()
        receiver.close()
    elif action == "browse":
        looked_at(connection, address, rest[0] if rest else None)
    elif action == "request":
        replies = connection.create_receiver(None, dynamic=True)
        request = Message(rest[0], reply_to=replies.link.remote_source.address, correlation_id="1")
        connection.create_sender(address).send(request)
        reply = replies.receive()
        assert reply.correlation_id == "1", reply
        say("message", reply.body)
    elif action == "respond":
        receiver, sender = connection.create_receiver(address), connection.create_sender(None)
        say("ready")
        for _ in range(int(rest[0])):
            request = receiver.receive()
            text = request.body.upper()
            sender.send(Message(text, address=request.reply_to, correlation_id=request.correlation_id))
            receiver.accept()
            say("message", request.body)
    else:
        sys.exit(f"this client has no {action}")


def main() -> None:
    host, port, *what = sys.argv[1:]
    try:
        connection = connect(host, port)
        act(connection, *what)
        connection.close()
    except SendException as error:
        # The exception tells the outcome's number only; what the server said came with it.
        say("refused", error)
        sys.exit(3)
    except ProtonException as error:
        say("refused", error)
        sys.exit(3)


if __name__ == "__main__":
    main()
