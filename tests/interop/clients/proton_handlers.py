"""python-qpid-proton, in the style that reacts to events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from proton import Handler, Message, SSLDomain
from proton.handlers import MessagingHandler, TransactionHandler
from proton.reactor import Container, Copy, Selector


def say(*words: object) -> None:
    print(*words, flush=True)


def refused(what: Any) -> NoReturn:
    say("refused", f"{what.name}: {what.description}" if what is not None else "without a word")
    os._exit(3)


class Client(MessagingHandler, TransactionHandler):
    """One program of all actions."""

    def __init__(self, url: str, action: str, address: str, *rest: str) -> None:
        super().__init__(prefetch=0, auto_accept=False, auto_settle=True)
        self.url, self.action, self.address, self.rest = url, action, address, list(rest)
        self.connection: Any = None
        self.sender: Any = None
        self.container: Any = None
        self.transaction: Any = None
        self.left = 0
        self.sent = 0

    def on_start(self, event: Any) -> None:
        options: dict[str, Any] = {"reconnect": False}
        trust, key = os.environ.get("WIRE_TRUST"), os.environ.get("WIRE_KEY")
        if trust:
            domain = SSLDomain(SSLDomain.MODE_CLIENT)
            domain.set_trusted_ca_db(trust)
            domain.set_peer_authentication(SSLDomain.VERIFY_PEER_NAME)
            if key:
                domain.set_credentials(key, key, None)
                options["allowed_mechs"] = "EXTERNAL"  # with a password below, whatever is offered
            options["ssl_domain"] = domain
        if user := os.environ.get("WIRE_USER"):
            options |= {"user": user, "password": os.environ["WIRE_PASSWORD"], "allow_insecure_mechs": True}
            options.pop("allowed_mechs", None)
        elif not key:
            options["allowed_mechs"] = "ANONYMOUS"
        if bus := os.environ.get("WIRE_BUS"):
            options["virtual_host"] = bus
        self.container = event.container
        self.connection = event.container.connect(self.url, **options)

    def on_connection_opened(self, event: Any) -> None:
        begin: Callable[[], None] = getattr(self, f"begin_{self.action}")
        begin()

    def on_connection_error(self, event: Any) -> None:
        refused(event.connection.remote_condition)

    def on_link_error(self, event: Any) -> None:
        refused(event.link.remote_condition)

    def on_transport_error(self, event: Any) -> None:
        refused(event.transport.condition)

    def on_rejected(self, event: Any) -> None:
        refused(event.delivery.remote.condition)

    # --- what to do ---------------------------------------------------------------------------------------------------

    def begin_send(self) -> None:
        self.sender = self.container.create_sender(self.connection, self.address)

    def begin_relay(self) -> None:
        self.sender = self.container.create_sender(self.connection, None)

    def begin_receive(self) -> None:
        self.left = int(self.rest[0])
        options = Selector(self.rest[1]) if len(self.rest) > 1 else None
        self.container.create_receiver(self.connection, self.address, options=options).flow(self.left)

    def begin_browse(self) -> None:
        options = [Copy(), *([Selector(self.rest[0])] if self.rest else [])]
        self.container.create_receiver(self.connection, self.address, options=options).drain(100)

    def begin_request(self) -> None:
        self.container.create_receiver(self.connection, None, dynamic=True).flow(1)

    def begin_respond(self) -> None:
        self.left = int(self.rest[0])
        self.sender = self.container.create_sender(self.connection, None)
        self.container.create_receiver(self.connection, self.address).flow(self.left)

    def begin_transact(self) -> None:
        self.sender = self.container.create_sender(self.connection, self.address)
        self.container.declare_transaction(self.connection, handler=self)

    # --- how it goes --------------------------------------------------------------------------------------------------

    def on_link_opened(self, event: Any) -> None:
        link = event.link
        if link.is_receiver and self.action == "request" and link.remote_source.address:
            self.rest.insert(0, link.remote_source.address)
            self.sender = self.container.create_sender(self.connection, self.address)
        elif link.is_receiver and self.action == "respond":
            say("ready")

    def on_sendable(self, event: Any) -> None:
        if self.action == "request" and not self.sent:
            self.sent = 1
            reply_to, text = self.rest
            self.sender.send(Message(text, reply_to=reply_to, correlation_id="1"))
        while self.action in ("send", "relay") and event.sender.credit and self.sent < len(self.rest):
            event.sender.send(Message(self.rest[self.sent], address=self.address, durable=True))
            self.sent += 1
        self.send_in_transaction()

    def send_in_transaction(self) -> None:
        if self.transaction is None or self.sent or not self.sender.credit:
            return
        self.sent = 1
        how, *texts = self.rest
        for text in texts:
            self.transaction.send(self.sender, Message(text, durable=True))
        if how == "commit":
            self.transaction.commit()
        else:
            self.transaction.abort()

    def on_transaction_declared(self, event: Any) -> None:
        self.transaction = event.transaction
        self.send_in_transaction()

    def on_transaction_declare_failed(self, event: Any) -> None:
        refused(None)

    def on_transaction_committed(self, event: Any) -> None:
        say("committed")
        self.connection.close()

    def on_transaction_aborted(self, event: Any) -> None:
        say("rolled back")
        self.connection.close()

    def on_transaction_commit_failed(self, event: Any) -> None:
        refused(None)

    def on_accepted(self, event: Any) -> None:
        if self.action in ("send", "relay"):
            say("accepted")
            self.left += 1
            if self.left == len(self.rest):
                self.connection.close()

    def on_message(self, event: Any) -> None:
        message = event.message
        say("message", message.body)
        if self.action == "browse":
            return
        if self.action == "respond":
            answer = Message(message.body.upper(), address=message.reply_to, correlation_id=message.correlation_id)
            self.sender.send(answer)
        self.accept(event.delivery)
        self.left -= 1
        if self.left <= 0:
            event.receiver.close()

    def on_link_closed(self, event: Any) -> None:
        self.connection.close()

    def on_drained(self, event: Any) -> None:
        pass

    def on_link_flow(self, event: Any) -> None:
        link = event.link
        if link.is_receiver and self.action == "browse" and not link.draining():
            say("end")
            self.connection.close()


def main() -> None:
    host, port, *what = sys.argv[1:]
    scheme = "amqps" if os.environ.get("WIRE_TRUST") else "amqp"
    handler: Handler = Client(f"{scheme}://{host}:{port}", *what)
    Container(handler).run()


if __name__ == "__main__":
    main()
