"""Bearer tokens: a JWT that a known issuer signed for us (RFC 6750, RFC 7519, RFC 8725)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, final

from connector.errors import ConfigError, Reason
from connector.spi import Clock, SystemClock
from connector_web.authorization import authorization, quoted
from connector_web.keys import VerificationKeys
from connector_web.proof import Caller
from connector_web.refusal import CredentialRefused
from connector_web.request import WebRequest

ALGORITHMS_UNFIT = Reason(
    "CF-WEB-022",
    "the algorithms {found} can't be allowed for the tokens of {issuer!r}: {why}.",
    "Name the signature algorithms that the issuer uses, for example RS256 or ES256.",
)
ADDRESSEE_MISSING = Reason(
    "CF-WEB-025",
    "bearer tokens can't be verified without {what}.",
    "Name who issues the tokens, and whom they must be meant for.",
)
TOKEN_REFUSED = Reason(
    "CF-WEB-023",
    "the bearer token of the issuer {issuer!r} was not accepted: {why}.",
    "Have the client get a new token for this application; where it goes on, compare issuer, audience, keys, clocks.",
)
TOKEN_NAMES_NOBODY = Reason(
    "CF-WEB-024",
    "the bearer token of the issuer {issuer!r} has no usable claim {claim!r}: {why}.",
    "Have the issuer put it into its tokens, or name another claim.",
)

_SYMMETRIC = "HS"
#: What the library knows and what signs; `none` is not among them.
_ALGORITHMS = frozenset(
    f"{family}{bits}" for family in ("HS", "RS", "PS", "ES") for bits in (256, 384, 512)
) | {"ES256K", "EdDSA", "Ed25519", "Ed448"}  # fmt: skip
_LONGEST_TOKEN = 16_384
_LONGEST_NAME = 255


@final
class BearerSource:
    """Tokens of one issuer; made by `bearer`. Safe to use from any thread."""

    name = "bearer"
    scheme = "bearer"

    def __init__(
        self,
        *,
        issuer: str,
        audience: tuple[str, ...],
        keys: VerificationKeys,
        algorithms: tuple[str, ...],
        realm: str | None,
        user_claim: str,
        groups_claim: str | None,
        required: Mapping[str, Any],
        leeway: float,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._keys = keys
        self._algorithms = algorithms
        self._realm = realm
        self._user_claim = user_claim
        self._groups_claim = groups_claim
        self._required = required
        self._leeway = leeway
        self._clock = clock

    def challenge(self, realm: str, *, refused: bool) -> str:
        """Names the realm, and `invalid_token` where a token was refused."""
        error = ', error="invalid_token"' if refused else ""
        return f"Bearer realm={quoted(realm)}{error}"

    def read(self, request: WebRequest) -> Caller | None:
        """Whom a token of this issuer names; None where there is none, or it says that it is another issuer's.

        Verifying takes a tenth of a millisecond of processor time. Raises CredentialRefused (CF-WEB-023, CF-WEB-024).
        """
        presented = authorization(request)
        if presented is None or presented[0] != self.scheme:
            return None
        token = presented[1]
        if len(token) > _LONGEST_TOKEN:
            raise CredentialRefused(TOKEN_REFUSED, issuer=self._issuer, why="it is too long")
        if _issuer_said(token) != self._issuer:
            return None  # where no source takes it, the request is refused all the same
        claims = self._verified(token)
        return Caller(self._user(claims), self._realm, self._groups(claims))

    def _verified(self, token: str) -> Mapping[str, Any]:
        from joserfc.errors import JoseError
        from joserfc.jws import JWSRegistry
        from joserfc.jwt import JWTClaimsRegistry, decode

        # A header parameter that isn't known is to be ignored unless it is critical (RFC 7515, 4).
        registry = JWSRegistry(algorithms=self._algorithms, strict_check_header=False)
        options: dict[str, Any] = {
            name: {"essential": True, **({} if value is None else {"value": value})}
            for name, value in self._required.items()
        }
        options["exp"] = {"essential": True}
        options["iss"] = {"essential": True, "value": self._issuer}
        options["aud"] = {"essential": True, "values": list(self._audience)}
        try:
            claims = decode(token, self._keys.current(), registry=registry, algorithms=self._algorithms).claims
            now = int(self._clock.time())
            JWTClaimsRegistry(now=now, leeway=int(self._leeway), **options).validate(claims)
        except JoseError as error:
            why = error.error or type(error).__name__
        except Exception as error:  # noqa: BLE001 - a token may be broken in any way: it proves nothing
            why = type(error).__name__
        else:
            return claims
        raise CredentialRefused(TOKEN_REFUSED, issuer=self._issuer, why=why)

    def _user(self, claims: Mapping[str, Any]) -> str:
        user = claims.get(self._user_claim)
        if not isinstance(user, str) or not user or len(user) > _LONGEST_NAME or not user.isprintable():
            raise CredentialRefused(
                TOKEN_NAMES_NOBODY, issuer=self._issuer, claim=self._user_claim, why="it must be a name"
            )
        return user

    def _groups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        groups = claims.get(self._groups_claim) if self._groups_claim is not None else None
        if groups is None:
            return ()
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise CredentialRefused(
                TOKEN_NAMES_NOBODY, issuer=self._issuer, claim=self._groups_claim, why="it must be a list of names"
            )
        return tuple(dict.fromkeys(group for group in groups if group))

    def __repr__(self) -> str:
        return f"<BearerSource of {self._issuer} for {', '.join(self._audience)}>"


def bearer(
    *,
    issuer: str,
    audience: str | Sequence[str],
    keys: Mapping[str, Any] | str | PathLike[str],
    algorithms: Sequence[str] = ("RS256", "ES256"),
    realm: str | None = None,
    user_claim: str = "sub",
    groups_claim: str | None = None,
    required: Mapping[str, Any] | None = None,
    leeway: float = 30.0,
    clock: Clock | None = None,
) -> BearerSource:
    """Bearer tokens of one issuer: JWTs, verified by its keys; give one such source for each issuer.

    Args:
        issuer: What the claim `iss` must be.
        audience: What the claim `aud` must hold, one of these: this application's names.
        keys: The issuer's JWKS document, or the file that holds it, which is read again when it has changed.
        algorithms: The signature algorithms that count, whatever a token says. HMAC can't be mixed with others: then
            a public key could be taken for a shared one.
        realm: The realm that the issuer's users belong to; None for the container's own, whose registry must then know
            them.
        user_claim: The claim that names the user.
        groups_claim: The claim that lists groups, or None.
        required: Further claims that there must be, with the value that each must have (or, in a list claim, hold),
            or None for any.
        leeway: Seconds by which clocks may differ.
        clock: Where the time comes from.

    Blocks for the disk. Raises ConfigError (CF-WEB-021, CF-WEB-022, CF-WEB-025), PluginError (CF-WEB-020).
    """
    chosen = tuple(dict.fromkeys(algorithms))
    _check_algorithms(issuer, chosen)
    meant_for = (audience,) if isinstance(audience, str) else tuple(audience)
    if not issuer:
        raise ConfigError(ADDRESSEE_MISSING, what="an issuer")
    if not meant_for or not all(meant_for):
        raise ConfigError(ADDRESSEE_MISSING, what="an audience")
    return BearerSource(
        issuer=issuer,
        audience=meant_for,
        keys=VerificationKeys(issuer, keys),
        algorithms=chosen,
        realm=realm,
        user_claim=user_claim,
        groups_claim=groups_claim,
        required=dict(required or {}),
        leeway=leeway,
        clock=clock or SystemClock(),
    )


def _check_algorithms(issuer: str, algorithms: tuple[str, ...]) -> None:
    unknown = [name for name in algorithms if name not in _ALGORITHMS]
    mixed = len({name.startswith(_SYMMETRIC) for name in algorithms}) > 1
    why = "none is named" if not algorithms else f"{', '.join(unknown)} is none" if unknown else ""
    why = why or ("those with a shared key are mixed with those with a public one" if mixed else "")
    if why:
        raise ConfigError(ALGORITHMS_UNFIT, found=", ".join(algorithms) or "()", issuer=issuer, why=why)


def _issuer_said(token: str) -> str | None:
    """The issuer that a token claims, unverified: it only decides whose keys are to verify it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = claims["iss"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return issuer if isinstance(issuer, str) else None
