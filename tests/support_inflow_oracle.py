"""An oracle for the security inflow, written from the requirement's text and built differently on purpose.

It collects *every* complaint that the texts allow about what was said, and picks the gravest by a list; the product
walks a decision from the top and knows one complaint only.
"""

from __future__ import annotations

from dataclasses import dataclass

REALM = "home"
TRUSTED = {"partners"}
USERS = {"alice": {"staff", "clerks"}, "bob": set(), "carol": {"staff"}}
GROUPS = {"staff", "clerks", "auditors"}

#: Foreign realm → (user → ours, group → ours, what becomes of the others).
MAPS = {
    "mapped": ({"bob": "alice", "carol": "gone"}, {"buyers": "auditors", "staff": "nosuch"}, "refuse"),
    "open": ({"bob": "bob", "*": "carol"}, {"buyers": "clerks"}, "refuse"),
    "lax": ({"bob": "alice"}, {}, "unauthenticated"),
}

GRAVITY = [
    "CF-WORK-020",  # wrong password
    "CF-WORK-031",  # registry away
    "CF-WORK-021",  # ready subject and callbacks
    "CF-WORK-022",  # ready subject of several
    "CF-WORK-023",  # realm not trusted
    "CF-WORK-024",  # several callers
    "CF-WORK-025",  # password, no caller
    "CF-WORK-032",  # password, and a caller who would be translated
    "CF-WORK-026",  # the password was another's
    "CF-WORK-027",  # no user
    "CF-WORK-028",  # foreign
    "CF-WORK-029",  # unknown
    "CF-WORK-033",  # a map without an entry
    "CF-WORK-034",  # an entry that leads to nobody
]


@dataclass(frozen=True)
class Said:
    """One thing said: kind is `caller`, `groups`, `password`, `place` or `place-group`."""

    kind: str
    name: str | None = None
    realm: str = REALM
    form: str = "user"  # of callers: user, text, plain, group, server, nobody
    groups: tuple[str, ...] = ()
    right: bool | None = True  # of passwords: None where the registry could not tell


def expected(said: list[Said]) -> str | tuple[str | None, frozenset[str]]:
    """The code of the refusal, or the caller (None: unauthenticated) with its groups."""
    callers = [s for s in said if s.kind == "caller"]
    passwords = [s for s in said if s.kind == "password"]
    placed = [s for s in said if s.kind == "place"]
    placed_groups = [s for s in said if s.kind == "place-group"]
    spoke = any(s.kind in {"caller", "groups", "password"} for s in said)
    ready = bool(placed or placed_groups)
    people = {(s.form, s.name, s.realm) for s in placed}

    complaints: set[str] = set()
    if any(s.right is False for s in passwords):
        complaints.add("CF-WORK-020")
    if any(s.right is None for s in passwords):
        complaints.add("CF-WORK-031")
    if ready and spoke:
        complaints.add("CF-WORK-021")
    if ready and len(people) > 1:
        complaints.add("CF-WORK-022")
    if any(named(s) and s.realm not in TRUSTED | {REALM} for s in placed):
        complaints.add("CF-WORK-023")
    if len(callers) > 1:
        complaints.add("CF-WORK-024")
    checked = [s for s in passwords if s.right is not None]
    if checked and not callers:
        complaints.add("CF-WORK-025")
    for caller in callers:
        if any(not is_same(caller, s.name) for s in checked):
            complaints.add("CF-WORK-032" if is_mapped(caller) else "CF-WORK-026")
        if named(caller) and caller.form in {"group", "server"}:
            complaints.add("CF-WORK-027")
        elif is_mapped(caller):
            ours = translated(caller)
            if ours is None and MAPS[caller.realm][2] == "refuse":
                complaints.add("CF-WORK-033")
            if ours is not None and ours not in USERS:
                complaints.add("CF-WORK-034")
        elif named(caller) and caller.realm != REALM:
            complaints.add("CF-WORK-028")
        elif named(caller) and caller.name not in USERS:
            complaints.add("CF-WORK-029")
    for code in GRAVITY:
        if code in complaints:
            return code

    if ready:
        who = next((s for s in placed if named(s)), None)
        if who is None:
            return None, frozenset()
        return who.name, frozenset(g for s in placed_groups if s.realm == who.realm for g in s.groups)
    who = next((s for s in callers if named(s)), None)
    if who is None or who.name is None:
        return None, frozenset()
    if is_mapped(who):
        ours = translated(who)
        if ours is None:
            return None, frozenset()
        theirs = MAPS[who.realm][1]
        given = {theirs[group] for s in said if s.kind == "groups" for group in s.groups if group in theirs}
        return ours, frozenset(given & GROUPS | USERS[ours])
    asserted = {group for s in said if s.kind == "groups" for group in s.groups}
    return who.name, frozenset(asserted & GROUPS | USERS[who.name])


def named(said: Said) -> bool:
    """Whether it names anybody at all."""
    return bool(said.name) and said.form != "nobody"


def is_same(caller: Said, user: str | None) -> bool:
    """Whether a caller is that user of the own realm."""
    return named(caller) and caller.form not in {"group", "server"} and caller.realm == REALM and caller.name == user


def is_mapped(caller: Said) -> bool:
    """Whether a caller is a user of a realm that has a map."""
    return named(caller) and caller.form in {"user", "plain"} and caller.realm in MAPS


def translated(caller: Said) -> str | None:
    """Whom the map of its realm makes of a caller."""
    users = MAPS[caller.realm][0]
    return users.get(caller.name or "", users.get("*"))
