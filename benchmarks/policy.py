"""The decisions of a bus: absolute, with the number of rules, and against policy engines on the same decisions.

One rule is one assignment. All sides get the same rules, are asked the same questions (half of which are denied), and
have to give the same answers before anything is measured; each is asked in the fastest way that it offers.
"""

from __future__ import annotations

import gc
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import casbin
import cedarpy
from casbin.model import FastModel

from benchmarks.harness import Measure, Result, against_limit, compare
from connector.spi import Subject
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import (
    Assignments,
    PolicyDefinition,
    ResourceGrants,
    TopicGrants,
    TopicTree,
)
from connector_bus.policy.holders import Holder, HolderKind
from connector_bus.policy.roles import ResourceType, Role

RULES = 10_000
TOPICS = 10_000
USERS = 500
GROUPS = 50
GROUPS_EACH = 8
QUESTIONS = 500
MICRO = 1e6
#: Half of the groups may use the topic space at all.
SPACE_ROLES: Assignments = {
    role: frozenset(Holder(HolderKind.GROUP, f"g{number}") for number in range(0, GROUPS, 2))
    for role in (Role.SENDER, Role.RECEIVER)
}
#: The policy engines take milliseconds: fewer questions a round.
FEW = 50

CASBIN_MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.obj == p.obj && r.act == p.act && g(r.sub, p.sub)
"""


class Question(NamedTuple):
    """One question, and what it is made of."""

    user: str
    subject: Subject
    role: Role
    queue: str


def groups_of(user: int) -> list[str]:
    """The groups of a user, always the same."""
    return [f"g{(user * 7 + number * 11) % GROUPS}" for number in range(GROUPS_EACH)]


def holders_of(number: int) -> Assignments:
    """The four rules of one queue or topic."""
    return {
        Role.SENDER: frozenset(
            {Holder(HolderKind.USER, f"u{number % USERS}"), Holder(HolderKind.GROUP, f"g{number % GROUPS}")}
        ),
        Role.RECEIVER: frozenset(
            {Holder(HolderKind.USER, f"u{(number + 1) % USERS}"), Holder(HolderKind.GROUP, f"g{(number + 3) % GROUPS}")}
        ),
    }


@cache
def definition(rules: int) -> PolicyDefinition:
    """A bus with that many assignments on its queues."""
    queues = {
        f"q{number}": ResourceGrants(ResourceType.QUEUE, holders_of(number), inherits=False)
        for number in range(rules // 4)
    }
    return PolicyDefinition("bus", "realm", resources=queues)


@cache
def questions(rules: int) -> list[Question]:
    """The same for all sides: every other one of somebody who may."""
    chance = random.Random(20)
    asked = []
    for number in range(QUESTIONS):
        queue, role = chance.randrange(rules // 4), chance.choice([Role.SENDER, Role.RECEIVER])
        if number % 2:
            user = (queue if role is Role.SENDER else queue + 1) % USERS
        else:
            user = chance.randrange(USERS)
        subject = Subject.of_user(f"u{user}", "realm", groups_of(user))
        asked.append(Question(f"u{user}", subject, role, f"q{queue}"))
    return asked


def deciding(rules: int, repeat: int = 20) -> Measure:
    """Microseconds for one of our decisions."""
    policy, asked = CompiledPolicy(definition(rules)), questions(rules)
    return _timed(lambda: [policy.decide(subject, role, queue) for _, subject, role, queue in asked], QUESTIONS, repeat)


def deciding_topics(topics: int, repeat: int = 20) -> Measure:
    """Microseconds for one of our decisions on a topic, as it is made for each message and subscriber."""
    paths = [_topic(number) for number in range(topics)]
    tree = TopicTree({path: TopicGrants(holders_of(number)) for number, path in enumerate(paths)})
    space = ResourceGrants(ResourceType.TOPIC_SPACE, {}, inherits=False, topics=tree)
    policy = CompiledPolicy(PolicyDefinition("bus", "realm", resources={"space": space}))
    chance = random.Random(21)
    subjects = [one.subject for one in questions(RULES)]
    # A third are topics without assignments of their own.
    asked = [(one, chance.choice(paths) + ("/deeper" if not number % 3 else "")) for number, one in enumerate(subjects)]
    return _timed(
        lambda: [policy.decide_topic(subject, Role.RECEIVER, "space", topic) for subject, topic in asked],
        QUESTIONS,
        repeat,
    )


def whole(rules: int, topics: int) -> PolicyDefinition:
    """One bus that has all at once: that many assignments on queues, and a topic space with that many topics."""
    tree = TopicTree({_topic(number): TopicGrants(holders_of(number)) for number in range(topics)})
    space = ResourceGrants(ResourceType.TOPIC_SPACE, SPACE_ROLES, inherits=False, topics=tree)
    return replace(definition(rules), resources={**definition(rules).resources, "space": space})


def deciding_whole(rules: int, topics: int, repeat: int = 20) -> Measure:
    """Microseconds for one of our decisions on a whole bus: a queue, then a topic with its topic space, in turns."""
    policy, chance = CompiledPolicy(whole(rules, topics)), random.Random(22)
    asked: list[tuple[Subject, Role, str, str | None]] = []
    for number, (_, subject, role, queue) in enumerate(questions(rules)):
        topic = _topic(chance.randrange(topics)) + ("/deeper" if not number % 3 else "")
        asked.append((subject, role, "space", topic) if number % 2 else (subject, role, queue, None))
    return _timed(
        lambda: [policy.decide(subject, role, name, topic) for subject, role, name, topic in asked], QUESTIONS, repeat
    )


def _topic(number: int) -> str:
    return f"a{number % 10}/b{number % 100}/c{number}"


def asking_casbin(rules: int, asked: Sequence[Question]) -> Callable[[], list[bool]]:
    """The answers of pycasbin's FastEnforcer, whose rules are kept by what it is first asked about."""
    model = FastModel([1, 2])
    model.load_model_from_text(CASBIN_MODEL)
    enforcer = casbin.FastEnforcer(model, cache_key_order=[1, 2])
    enforcer.add_policies(_rules(rules))
    enforcer.add_grouping_policies([(f"u{user}", group) for user in range(USERS) for group in groups_of(user)])
    return lambda: [enforcer.enforce(user, queue, str(role)) for user, _, role, queue in asked]


def asking_cedar(rules: int, asked: Sequence[Question]) -> Callable[[], list[bool]]:
    """The answers of cedarpy, with policies and entities parsed before, and all questions in one batch."""
    text = "".join(
        f'permit(principal {"==" if holder[0] == "u" else "in"} {_entity(holder)}, action == Action::"{role}", '
        f'resource == Queue::"{queue}");\n'
        for holder, queue, role in _rules(rules)
    )
    policies = cedarpy.PolicySet.from_str(text)
    users = [
        {"uid": _uid("User", f"u{user}"), "attrs": {}, "parents": [_uid("Group", group) for group in groups_of(user)]}
        for user in range(USERS)
    ]
    entities = cedarpy.Entities.from_json_str(_json(users))
    requests = [
        {"principal": f'User::"{user}"', "action": f'Action::"{role}"', "resource": f'Queue::"{queue}"', "context": {}}
        for user, _, role, queue in asked
    ]
    return lambda: [result.allowed for result in cedarpy.is_authorized_batch(requests, policies, entities)]


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    rounds = 3 if quick else 9
    few = questions(RULES)[:FEW]
    policy = CompiledPolicy(definition(RULES))
    ours = [policy.decide(one.subject, one.role, one.queue) for one in few]
    peers = {"pycasbin FastEnforcer": (asking_casbin, 1 / 80), "cedarpy": (asking_cedar, 1 / 20)}
    at_ten_thousand, topics = deciding(RULES), deciding_topics(TOPICS)
    at_the_limit = deciding_whole(RULES, TOPICS)
    results = [
        against_limit(
            f"bus decision, {RULES:,} rules",
            [at_ten_thousand() for _ in range(rounds)],
            1.0,
            unit="µs",
            note=_split(ours),
        ),
        against_limit(f"topic decision, {TOPICS:,} topics", [topics() for _ in range(rounds)], 1.0, unit="µs"),
        _flat("bus decision, 100,000 rules", "1,000 rules", deciding(100_000), deciding(1_000), rounds),
        _flat(f"topic decision, {TOPICS:,} topics", "100 topics", topics, deciding_topics(100), rounds),
        against_limit(
            f"decision on one bus of {RULES:,} rules and {TOPICS:,} topics",
            [at_the_limit() for _ in range(rounds)],
            1.0,
            unit="µs",
        ),
        _flat(
            f"decision on one bus of 100,000 rules and {TOPICS:,} topics",
            "1,000 rules, 100 topics",
            deciding_whole(100_000, TOPICS),
            deciding_whole(1_000, 100),
            rounds,
        ),
    ]
    for name, (make, goal) in peers.items():
        ask = make(RULES, few)
        answers = ask()
        if answers != ours:
            raise RuntimeError(f"{name} doesn't decide as we do: {answers} instead of {ours}")
        theirs = _timed(ask, FEW, 1)
        title = f"bus decision, {RULES:,} rules"
        results.append(compare(title, name, at_ten_thousand, theirs, goal=goal, unit="µs", rounds=rounds))
    return results


def _flat(name: str, peer: str, ours: Measure, theirs: Measure, rounds: int) -> Result:
    return compare(name, peer, ours, theirs, goal=1.5, unit="µs", rounds=rounds, note="it must not grow with the rules")


def _split(answers: Sequence[bool]) -> str:
    return f"{sum(answers)} of {len(answers)} questions to the peers are allowed"


def _timed(ask: Callable[[], object], count: int, repeat: int) -> Measure:
    def measure() -> float:
        gc.collect()
        gc.disable()
        try:
            began = time.perf_counter()
            for _ in range(repeat):
                ask()
            return (time.perf_counter() - began) / (count * repeat) * MICRO
        finally:
            gc.enable()

    return measure


def _rules(rules: int) -> list[tuple[str, str, str]]:
    return [
        (holder.name, queue, str(role))
        for queue, grants in definition(rules).resources.items()
        for role, holders in grants.roles.items()
        for holder in sorted(holders, key=str)
    ]


def _entity(name: str) -> str:
    return f'{"User" if name[0] == "u" else "Group"}::"{name}"'


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _json(entities: list[dict[str, Any]]) -> str:
    return json.dumps(entities)
