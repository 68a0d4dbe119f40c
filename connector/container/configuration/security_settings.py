"""Which settings are security: changing them needs the admin role administrator, others configurator (CONF-4). Pure.

Sections of the core are named in a table. In what adapters declare a key counts by the words of its name: a key that a
later version brings is on the safe side where its name says what it is about. Names that deployers choose (of a bus, a
destination, a role) don't count, whatever words they consist of.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connector.container.configuration.key_paths import KeyPath
from connector.spi import ConfigProperty

#: Sections that are security from top to bottom.
SECURITY_SECTIONS: Final = frozenset({"admin", "auth_data", "login", "naming", "plugins", "realms", "tls"})

_CONTAINER: Final = frozenset({"security", "application_security", "realm"})
_REFERENCE: Final = frozenset({"res_auth", "login", "alias", "mapping_properties", "on_no_credential"})
_ACTIVATION: Final = frozenset({"alias", "roles_allowed"})

_WORDS = (
    "alias aliases anonymous assertion asserted auth authentication authorization blockers certificate check "
    "checks cipher ciphers credential credentials fingerprint identity impersonate inbound inherit inherits "
    "inheritance key keys login outbound password permitted principal realm realms role roles secret secure "
    "security signer signers ssl sslmode target tls token trust trusted unique unsecured user users"
)
#: A key of an adapter's that has one of these among its words is security; `target` because whoever makes an alias
#: could give away what is not theirs (BUS-13).
SECURITY_WORDS: Final = frozenset(_WORDS.split())


def is_security(path: KeyPath, sections: Mapping[str, ConfigProperty]) -> bool:
    """Whether a setting is security.

    Args:
        path: From the top, an application's keys under `applications` and its name.
        sections: What adapters and plugins declare, by section.
    """
    match path:
        case (section, *_) if section in SECURITY_SECTIONS:
            return True
        case ("container", key, *_):
            return key in _CONTAINER
        case ("applications", _, "references", _, *rest):
            return not rest or rest[0] in _REFERENCE
        case ("applications", _, "activations", _, *rest):
            return bool(rest) and rest[0] in _ACTIVATION
        case ("applications", _, "application", *rest):
            return rest[:1] in (["unsecured"], ["realm"])
        case ("applications", _, *rest):
            return rest[:1] in (["roles"], ["unsecured"])
        case ("resources", _, "pool", *_):
            return False
        case ("resources", _, *rest):
            return any(_is_security_word(part) for part in rest)
        case (str(section), *_) if section in sections:
            return _declared_is_security(path[1:], sections[section])
    return False


def _declared_is_security(path: KeyPath, declared: ConfigProperty) -> bool:
    here = declared
    for number, part in enumerate(path):
        named = here.properties.get(str(part))
        if named is None and "*" in here.properties:
            here = here.properties["*"]  # a name that the deployer has chosen
            continue
        if named is None:  # below a free table nobody has said which keys are names: any may count
            return any(_is_security_word(below) for below in path[number:])
        if _is_security_word(part):
            return True
        here = named
    return False


def _is_security_word(part: str | int) -> bool:
    return isinstance(part, str) and not SECURITY_WORDS.isdisjoint(re.split(r"[_\W]+", part.lower()))
