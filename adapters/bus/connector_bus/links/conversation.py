"""What the two ends of a link between processes say to each other in frames: login, requests, answers, refusals."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason
from connector.spi import Secret
from connector_bus.links.contract import LinkSession
from connector_bus.links.framing import FRAME_BROKEN, question_from_head, transfers_from_head
from connector_bus.links.transfer import Answer, Login, Outcome

REFUSED_THERE = Reason("CF-BUS-213", "the other bus refuses the link with {code}: {text}", "See the reason.")

#: Characters of a name, and of a text that the other side says, that are of interest.
_NAME, _TEXT = 255, 2000


def login_to_head(login: Login, *, chain: str | None = None) -> dict[str, Any]:
    """A login as the head of a frame tells it: with user and password, or for a chain where they were told before."""
    said = {"bus": login.bus, "engine": login.engine, "to": login.to}
    if chain is not None:
        return {"login": {**said, "chain": chain}}
    password = None if login.password is None else login.password.reveal()
    return {"login": {**said, "user": login.user, "password": password}}


def login_from_head(head: Mapping[str, Any]) -> tuple[Login, str]:
    """The login of a frame, and the chain that it is for. Raises ConnectionFailed CF-BUS-210."""
    written = head.get("login")
    names = [written.get(key) for key in ("bus", "engine", "to")] if isinstance(written, dict) else []
    if not isinstance(written, dict) or not all(map(_is_name, names)):
        raise ConnectionFailed(FRAME_BROKEN, fault="it is no login")
    password, user = written.get("password"), written.get("user")
    login = Login(
        written["bus"],
        written["engine"],
        written["to"],
        None if user is None else str(user),
        None if password is None else Secret(str(password)),
    )
    return login, str(written.get("chain") or "")


def answer_to(session: LinkSession, head: Mapping[str, Any], bodies: bytes) -> dict[str, Any]:
    """Do what a frame asks of a session; answers the head of the answer. Blocks.

    Raises ConnectionFailed CF-BUS-210 for what is no request, and what the session raises.
    """
    if "held" in head:
        return {"held": sorted(session.held())}
    if "explore" in head:
        stages = session.explore(question_from_head(head["explore"]))
        return {"stages": [each.to_dict() for each in stages]}
    answers = session.transfer(transfers_from_head(head.get("transfer"), bodies), _texts(head.get("forget")))
    return {"answers": [{"outcome": each.outcome, "code": each.code, "text": each.text} for each in answers]}


def answers_from_head(head: Mapping[str, Any], most: int) -> list[Answer]:
    """The answers to so many messages at most. Raises ConnectionFailed CF-BUS-210."""
    answers = None
    with suppress(KeyError, TypeError, ValueError):
        answers = [
            Answer(Outcome(each["outcome"]), _said(each["code"], _NAME), _said(each["text"], _TEXT))
            for each in head["answers"]
        ]
    if answers is None or len(answers) > most or any(each.outcome is Outcome.RETURNED for each in answers):
        raise ConnectionFailed(FRAME_BROKEN, fault="its answers can't be read")
    return answers


def refusal_to_head(error: ConnectorError) -> dict[str, Any]:
    """What is said where the answer is an error, which ends the session."""
    return {"refused": {"login": isinstance(error, LoginRefused), "code": error.code, "text": error.text}}


def require_welcome(head: Mapping[str, Any]) -> None:
    """Pass where the other side does not refuse. Raises LoginRefused or ConnectionFailed, both CF-BUS-213."""
    refusal = head.get("refused")
    if refusal is None:
        return
    told = refusal if isinstance(refusal, dict) else {}
    kind = LoginRefused if told.get("login") else ConnectionFailed
    raise kind(REFUSED_THERE, code=_said(told.get("code"), _NAME), text=_said(told.get("text"), _TEXT))


def _is_name(written: Any) -> bool:
    return isinstance(written, str) and 0 < len(written) <= _NAME and written.isprintable()


def _said(written: Any, limit: int) -> str:
    """A text of the other side's as it may stand in a log: on one line, and no longer than is of interest."""
    return "".join(each if each.isprintable() else " " for each in str(written)[:limit])


def _texts(written: Any) -> list[str]:
    if not isinstance(written, list) or not all(isinstance(each, str) for each in written):
        raise ConnectionFailed(FRAME_BROKEN, fault="what is to be forgotten is no list of texts")
    return written
