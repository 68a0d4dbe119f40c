"""The contracts that adapter, mapper and plugin authors write against; the standard library and `errors` only.

Behaviour on these types lives in other rooms. What is exported here is public and versioned by `SPI_VERSION`.
"""

from connector.spi.adapter import BootstrapContext, Duty, PostureFinding, ResourceAdapter, SectionsChange
from connector.spi.async_connection import AsyncConnectionEventListener, AsyncLease, AsyncManagedConnection
from connector.spi.audit import AuditEvent, AuditLog, Outcome
from connector.spi.authdata import (
    AuthenticationData,
    AuthenticationDataStore,
    AuthenticationDataStoreProvider,
    StampedStore,
)
from connector.spi.callbacks import (
    AuthenticationDataCallback,
    Callback,
    CallbackHandler,
    CallerPrincipalCallback,
    CallerSubjectCallback,
    GroupPrincipalCallback,
    ManagedConnectionFactoryCallback,
    MappingPropertiesCallback,
    NameCallback,
    PasswordCallback,
    PasswordValidationCallback,
    UnsupportedCallback,
)
from connector.spi.capability import Capability
from connector.spi.clock import Clock, SystemClock
from connector.spi.connection import (
    ConnectionDescription,
    ConnectionEventListener,
    ConnectionRequestInfo,
    ManagedConnection,
    ManagedConnectionFactory,
)
from connector.spi.credential_module import CredentialLoginModule
from connector.spi.credentials import (
    BASIC_PASSWORD,
    KERBV5,
    Credential,
    IdentityAssertion,
    PasswordCredential,
    same_factory,
)
from connector.spi.delivery import ActivationHealth, Ordering, RedeliveryPolicy, identity_outage
from connector.spi.endpoint import ActivationSpec, MessageEndpoint, MessageEndpointFactory
from connector.spi.explanation import Explanation, Step, Verdict
from connector.spi.kerberos import KerberosCredential, Tickets
from connector.spi.login import ALIAS_PROPERTY, ControlFlag, Dependency, LoginFailed, LoginModule
from connector.spi.login_options import IN_THE_OPTIONS, OptionedLoginModule
from connector.spi.manager import ConnectionManager, Lease
from connector.spi.message import Body, Message, PropertyValue
from connector.spi.naming import NamingKind, NamingReference
from connector.spi.observation import IDENTITY, Instrument, Measurement, ObservedContainer
from connector.spi.plan import RejectedSource, SignOnPlan, SignOnSource
from connector.spi.platform_identity import PLATFORM, PlatformIdentity
from connector.spi.principals import (
    UNAUTHENTICATED,
    GroupPrincipal,
    Principal,
    ServerPrincipal,
    UnauthenticatedPrincipal,
    UserPrincipal,
)
from connector.spi.properties import ConfigProperty
from connector.spi.registry import (
    HashingRegistryProvider,
    IdentityService,
    PasswordHasher,
    RememberingRegistry,
    ScramHasher,
    ScramIdentities,
    ScramVerifier,
    ScramVerifiers,
    UserRegistry,
    UserRegistryProvider,
    VerifierReport,
    WritableUserRegistry,
)
from connector.spi.scope import Scope
from connector.spi.secret import Secret
from connector.spi.store_keys import (
    KeyedStoreProvider,
    ProgressListener,
    RotationProgress,
    StoreKeys,
    StoreKeySource,
)
from connector.spi.subject import Subject
from connector.spi.tls import TlsService, is_signer_unknown
from connector.spi.transaction import (
    OutcomeArchive,
    OutcomeWitness,
    RecoverableBranches,
    TransactionParticipant,
    TransactionService,
    TransactionTerminator,
    UnitOfWork,
    Vote,
)
from connector.spi.work import (
    IMMEDIATE,
    INDEFINITE,
    UNKNOWN,
    HintsContext,
    SecurityContext,
    TransactionContext,
    Work,
    WorkContext,
    WorkContextErrorCode,
    WorkErrorCode,
    WorkEvent,
    WorkEventKind,
    WorkLike,
    WorkListener,
    WorkManager,
)

#: The version of these contracts; an adapter's `ra.toml` names the range that it was written for.
SPI_VERSION = 1

__all__ = [
    "SPI_VERSION",
    # identity
    "Secret",
    "Principal",
    "UserPrincipal",
    "GroupPrincipal",
    "ServerPrincipal",
    "UnauthenticatedPrincipal",
    "UNAUTHENTICATED",
    "Subject",
    "Scope",
    # credentials
    "BASIC_PASSWORD",
    "KERBV5",
    "Credential",
    "PasswordCredential",
    "KerberosCredential",
    "Tickets",
    "PLATFORM",
    "PlatformIdentity",
    "Duty",
    "PostureFinding",
    "IdentityAssertion",
    "same_factory",
    "AuthenticationData",
    "AuthenticationDataStore",
    "AuthenticationDataStoreProvider",
    "StampedStore",
    "KeyedStoreProvider",
    "StoreKeySource",
    "StoreKeys",
    "RotationProgress",
    "ProgressListener",
    "UserRegistry",
    "WritableUserRegistry",
    "UserRegistryProvider",
    "RememberingRegistry",
    "ScramHasher",
    "ScramIdentities",
    "VerifierReport",
    "ScramVerifier",
    "ScramVerifiers",
    "HashingRegistryProvider",
    "PasswordHasher",
    "IdentityService",
    # login modules
    "LoginModule",
    "CredentialLoginModule",
    "LoginFailed",
    "ControlFlag",
    "Dependency",
    "ALIAS_PROPERTY",
    "OptionedLoginModule",
    "IN_THE_OPTIONS",
    "Callback",
    "CallbackHandler",
    "UnsupportedCallback",
    "NameCallback",
    "PasswordCallback",
    "MappingPropertiesCallback",
    "ManagedConnectionFactoryCallback",
    "CallerSubjectCallback",
    "AuthenticationDataCallback",
    "CallerPrincipalCallback",
    "GroupPrincipalCallback",
    "PasswordValidationCallback",
    # outbound
    "Capability",
    "ConfigProperty",
    "ResourceAdapter",
    "BootstrapContext",
    "ManagedConnectionFactory",
    "ManagedConnection",
    "ConnectionEventListener",
    "ConnectionRequestInfo",
    "ConnectionDescription",
    "ConnectionManager",
    "Lease",
    "AsyncManagedConnection",
    "AsyncConnectionEventListener",
    "AsyncLease",
    "SignOnPlan",
    "SignOnSource",
    "RejectedSource",
    # inbound
    "Work",
    "WorkLike",
    "WorkContext",
    "SectionsChange",
    "SecurityContext",
    "HintsContext",
    "TransactionContext",
    "WorkManager",
    "WorkListener",
    "WorkEvent",
    "WorkEventKind",
    "WorkErrorCode",
    "WorkContextErrorCode",
    "IMMEDIATE",
    "INDEFINITE",
    "UNKNOWN",
    "ActivationSpec",
    "MessageEndpoint",
    "MessageEndpointFactory",
    "NamingKind",
    "NamingReference",
    "Ordering",
    "RedeliveryPolicy",
    "ActivationHealth",
    "identity_outage",
    "Message",
    "Body",
    "PropertyValue",
    # transactions
    "TransactionService",
    "TransactionTerminator",
    "UnitOfWork",
    "TransactionParticipant",
    "Vote",
    "RecoverableBranches",
    "TlsService",
    "is_signer_unknown",
    "OutcomeWitness",
    "OutcomeArchive",
    # observation
    "Explanation",
    "Step",
    "Verdict",
    "AuditEvent",
    "AuditLog",
    "Outcome",
    "ObservedContainer",
    "Measurement",
    "Instrument",
    "IDENTITY",
    "Clock",
    "SystemClock",
]
