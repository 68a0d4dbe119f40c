"""The five levels of security as data (DEMO-2): what is changed, how the unchanged client fails, what puts it right.

`levels.py` runs them, `docs/tutorial_page.py` tells them, the tests hold both to it. Commands are lines for a shell in
a folder that holds the profiles `server` and `client`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: What both programs are told: who administers the server.
ADMINISTRATOR = "--login admin --login-password-file admin.password"
SERVER, CLIENT = "connector -c server/connector.toml", "connector -c client/connector.toml"
ASK = (
    f"{CLIENT} request --cf weather/CF --request weather/RECEIVE_D --response weather/SEND_D "
    """'{"location": "UK", "day": "DAY"}'"""
)
RESTART = "bash restart.sh"


def server(words: str) -> str:
    """A command on the server, as its administrator."""
    return f"{SERVER} {ADMINISTRATOR} {words}"


def client(words: str) -> str:
    """A command on the client's own profile."""
    return f"{CLIENT} {words}"


@dataclass(frozen=True)
class Refusal:
    """What fails, and what puts it right.

    Attributes:
        code: The stable code.
        says: What its text says besides: the nested code, or the words that name what to do.
        why: For people.
        remedy: The commands.
        command: What fails; the unchanged client unless given.
    """

    code: str
    says: str
    why: str
    remedy: tuple[str, ...]
    command: str = ASK


@dataclass(frozen=True)
class Level:
    """One level.

    Attributes:
        name: Its name.
        about: What it brings.
        changes: The commands that raise it, on the server.
        refusals: What then fails, in turn, until the client succeeds.
        still_open: The codes of what `connector check` reports after it, with their severity.
    """

    name: str
    about: str
    changes: tuple[str, ...]
    refusals: tuple[Refusal, ...] = ()
    still_open: dict[str, str] = field(default_factory=dict)


#: Before the first level: passwords, and a server's and a client's profile, both open.
PREPARATION = (
    "head -c 18 /dev/urandom | base64 > admin.password && chmod 600 admin.password",
    "head -c 18 /dev/urandom | base64 > alice.password && chmod 600 alice.password",
    "connector init server --name weather --insecure",
    "connector init client --client --insecure --naming localhost:22809",
)

LEVELS = (
    Level(
        "open",
        "Nobody has to say who they are, and everything goes in plain text. That is for trying things out.",
        (RESTART,),
        still_open={"CF-CTR-030": "error", "CF-BUS-131": "warning"},
    ),
    Level(
        "administrative security",
        "Whoever administers the server logs in, and so does whoever looks names up there, by TLS. Messages are "
        "another matter: the bus is still open.",
        (
            f"{SERVER} users add admin --password-file admin.password",
            f"{SERVER} users add alice --password-file alice.password",
            f"""{SERVER} config set admin.administrator '["user:admin"]' container.security true""",
            RESTART,
        ),
        (
            Refusal(
                "CF-NAM-001",
                "connector config set naming.provider.tls node-default",
                "look-ups go by TLS now",
                (client("config set naming.provider.tls node-default"),),
            ),
            Refusal(
                "CF-NAM-007",
                "connector signers retrieve localhost:",
                "the client does not know the server's certificate; its owner tells the fingerprint, by telephone say",
                (
                    client(
                        f'signers retrieve localhost:22809 --fingerprint "$({server("signers export --fingerprint")})"'
                    ),
                ),
            ),
            Refusal(
                "CF-NAM-002",
                "connector auth-data set look-up --user USER",
                "the look-up needs a login; it is kept in the client's encrypted file",
                (
                    client("auth-data set look-up --user alice --password-stdin < alice.password"),
                    client("config set naming.provider.alias look-up"),
                ),
            ),
        ),
        {"CF-CTR-031": "warning", "CF-BUS-131": "warning"},
    ),
    Level(
        "bus security",
        "Whoever sends or receives signs on and needs the connector role; the national service takes forecasters only. "
        "Plain text is still permitted.",
        (
            server("config set buses.weather.security true buses.weather.permitted_chains all"),
            server(
                """config set applications.uk-weather.roles.forecaster.users '["alice"]' """
                """'applications.uk-weather.activations."jms/forecast-requests".roles_allowed' '["forecaster"]'"""
            ),
            RESTART,
        ),
        (
            Refusal(
                "CF-AMQP-013",
                "naming.provider.connection_alias",
                "the connection needs a user; the login of the look-up is not used for it",
                (
                    client("auth-data set connection --user alice --password-stdin < alice.password"),
                    client("config set naming.provider.connection_alias connection"),
                ),
            ),
            Refusal(
                "CF-AMQP-014",
                "allow_plain_passwords = true",
                "the client keeps the password back from plain text; that is allowed while this level lasts",
                (client("config set naming.provider.connection_properties.allow_plain_passwords true"),),
            ),
            Refusal(
                "CF-AMQP-024",
                "CF-BUS-012",
                "alice is known, and not in the connector role",
                (server("bus roles add weather connector user:alice"),),
            ),
            Refusal(
                "CF-CTR-032",
                "CF-BUS-010",
                "the national service on the server has no user either, so its activation has failed",
                (server("""config set 'resources."jms/uk-requests".component_alias' weather-applications"""),),
                server("check"),
            ),
        ),
        {"CF-BUS-140": "note", "CF-BUS-420": "note"},
    ),
    Level(
        "TLS only",
        "The bus takes clients over protected chains only, which is what a secured bus does unless told otherwise.",
        (server("config unset buses.weather.permitted_chains"), RESTART),
        (
            Refusal(
                "CF-AMQP-024",
                "CF-BUS-160",
                "the connection factory still names the chain in plain text; it is changed, that chain closed",
                (
                    server(
                        """config set 'resources."weather/CF".properties' '{ bus = "weather", provider_endpoints = """
                        """["localhost:27286:BootstrapSecureMessaging"], target_chain = "InboundSecureMessaging" }' """
                        "chains.InboundBasicMessaging.enabled false"
                    ),
                    RESTART,
                ),
            ),
            Refusal(
                "CF-AMQP-015",
                "naming.provider.connection_tls",
                "the client looks the new endpoint up, and is to speak TLS there; it trusts it already",
                (
                    client("config set naming.provider.connection_tls node-default"),
                    client("config unset naming.provider.connection_properties"),
                ),
            ),
        ),
        {"CF-BUS-420": "note"},
    ),
    Level(
        "TLS with client certificates",
        "The chain takes only clients whose certificate is trusted; user and password decide as before. It gets a TLS "
        "configuration of its own, so that look-ups stay as they are. Its trust store must hold somebody to begin "
        "with: the server itself.",
        (
            server("signers export > server.crt"),
            server("signers add server.crt"),
            server(
                """config set tls.client-auth '{ key_store = "keys/node.pem", trust_store = "keys/trust.pem", """
                """client_authentication = "required" }' chains.InboundSecureMessaging.tls client-auth"""
            ),
            RESTART,
        ),
        (
            Refusal(
                "CF-AMQP-421",
                "connector signers add client.crt",
                "the server does not know the client's certificate",
                (client("signers export > client.crt"), server("signers add client.crt --tls client-auth")),
            ),
        ),
        {"CF-CTR-064": "note"},
    ),
)
