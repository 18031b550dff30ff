"""Every setting of a server: what it means, its default and its limits.

configuration.py reads them; docs/reference/settings.md is made from this table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a server is started with; the descriptions are the documentation."""

    host: Annotated[str, Meta(description="Address to listen on; 127.0.0.1 answers this machine only.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on; 0 takes a free one.", ge=0, le=65535)] = 8080
    data: Annotated[Path, Meta(description="Folder of the store; made where it is missing.")] = Path("data")
    workers: Annotated[
        int,
        Meta(
            description="Processes that answer requests on the one store; 0 for one a processor, four at most.",
            ge=0,
            le=64,
        ),
    ] = 0
    base_url: Annotated[
        str,
        Meta(
            description="The FHIR base URL that clients see, such as https://fhir.example.org/fhir, no slash at "
            "its end. Empty: made of each request's Host.",
            pattern=r"^(https?://[^\s?#]+[^\s?#/])?$",
        ),
    ] = ""
    trust_proxy: Annotated[
        bool,
        Meta(
            description="Take scheme and host from X-Forwarded-Proto and X-Forwarded-Host, and the caller's address "
            "from the last of X-Forwarded-For; only behind your proxy, which sets all three."
        ),
    ] = False
    server_name: Annotated[str, Meta(description="What the CapabilityStatement and the page call this server.")] = (
        "Ultimate HMS"
    )
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose pages may call the server from a browser; * is all of them, empty is none."),
    ] = ("*",)
    max_body_bytes: Annotated[
        int, Meta(description="Largest request body, unpacked; a larger one is answered 413.", ge=1024, le=2**31)
    ] = 64 * 2**20
    stop_seconds: Annotated[
        int, Meta(description="How long a stop waits for the requests under way.", ge=0, le=3600)
    ] = 30

    tls_certificate: Annotated[
        str, Meta(description="PEM file of the server's certificate and those between; empty: plain HTTP.")
    ] = ""
    tls_key: Annotated[str, Meta(description="PEM file of the certificate's key; empty: it is in the same file.")] = ""
    tls_clients: Annotated[
        str,
        Meta(
            description="PEM file of authorities: who connects must have a certificate of theirs. Empty: nobody is "
            "asked for one."
        ),
    ] = ""

    security: Annotated[
        Literal["open", "smart"],
        Meta(
            description="Who may use the server: open (everybody who reaches it; 127.0.0.1 only), or smart (whoever "
            "has a token of its own authorization server, SMART App Launch)."
        ),
    ] = "open"
    token_seconds: Annotated[int, Meta(description="How long an access token is good for.", ge=60, le=86_400)] = 3600
    session_seconds: Annotated[
        int, Meta(description="How long a person who signed in at a browser stays so at most.", ge=60, le=604_800)
    ] = 43_200
    session_idle_seconds: Annotated[
        int,
        Meta(description="How long without a request of a browser until its sign-in ends.", ge=60, le=604_800),
    ] = 3600
    openid: Annotated[
        str,
        Meta(
            description="TOML file of outside OpenID providers, such as Keycloak, whose tokens are believed and whose "
            "accounts sign in here (docs/how-to/openid.md); empty: none."
        ),
    ] = ""
    sign_in_rate: Annotated[
        int,
        Meta(
            description="Requests that one address may make within a minute, at all workers together, to sign in, for "
            "tokens and to whatever else takes a secret; 0: any number.",
            ge=0,
            le=1_000_000,
        ),
    ] = 600
    allowed_networks: Annotated[
        tuple[str, ...],
        Meta(description="Networks, such as 10.0.0.0/8, whose addresses are answered; empty is all."),
    ] = ()
    metrics_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks, such as 10.0.0.0/8, whose addresses may read /metrics of a secured server, beside "
            "its own machine; an open server's metrics are for everybody."
        ),
    ] = ()
    dynamic_registration: Annotated[
        bool,
        Meta(description="Whether applications may register themselves (RFC 7591), for no more than a user's data."),
    ] = False
    jwks_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks, such as 10.0.0.0/8, and names of hosts that keys of applications (jwks_uri) are "
            "fetched from though their addresses are not public, and over http."
        ),
    ] = ()

    policies: Annotated[
        str,
        Meta(description="TOML file of rules that permit and deny (docs/how-to/security-officer.md); empty: none."),
    ] = ""
    audit: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Whether every access and refusal is kept in the audit log before it is answered "
            "(docs/how-to/security-officer.md); auto: where security is smart."
        ),
    ] = "auto"
    audit_acknowledged: Annotated[
        Literal["disk", "mongodb"],
        Meta(
            description="With mongodb_url: where an event of the audit log has to be before an answer goes out: on "
            "this machine's disk, from where it is in MongoDB a second later, or in MongoDB too, for machines whose "
            "disk goes with them."
        ),
    ] = "disk"
    audit_days: Annotated[
        int, Meta(description="Days that `hms audit prune` keeps the audit log for; 0: for ever.", ge=0, le=36_500)
    ] = 0

    encryption_keys: Annotated[
        str,
        Meta(
            description="File of master keys (`hms keys init`): bodies of resources are encrypted at rest by it "
            "(docs/how-to/encryption.md); empty: they are not."
        ),
    ] = ""
    account_keys: Annotated[
        str,
        Meta(
            description="With mongodb_url and security smart: file of master keys (`hms keys init`), the same on every "
            "machine, that seals users, sign-ins, grants and signing keys in MongoDB."
        ),
    ] = ""
    deidentify_rules: Annotated[
        str,
        Meta(description="TOML file of rules for $de-identify (docs/how-to/de-identification.md); empty: Safe Harbor."),
    ] = ""
    alert_rules: Annotated[
        str,
        Meta(description="TOML file of what in the audit log raises an alert; empty: the rules that come with it."),
    ] = ""

    brands: Annotated[
        str,
        Meta(description="File of a User-access Brand Bundle that the SMART configuration names; empty: none."),
    ] = ""
    brand: Annotated[
        str,
        Meta(description="Identifier (system|value) of this server's own brand among those; empty: there is one only."),
    ] = ""

    provenance: Annotated[
        Literal["header", "automatic"],
        Meta(description="Which commits have a Provenance: those of a request with the header X-Provenance, or all."),
    ] = "header"

    update_as_create: Annotated[
        bool, Meta(description="Whether PUT to an id that does not exist creates the resource; otherwise 405.")
    ] = True
    referential_integrity: Annotated[
        bool,
        Meta(
            description="Whether a reference to a resource of this server must be to one that exists, and what is "
            "referred to can't be deleted. A reference to a version (_history/2), such as a Provenance has, holds up "
            "nothing, as the version stays."
        ),
    ] = False
    validation: Annotated[
        Literal["none", "base", "declared"],
        Meta(
            description="What a write is checked against: none (what can be stored at all), base (the R4 definitions), "
            "declared (those, and the profiles that meta.profile names)."
        ),
    ] = "base"
    required_profiles: Annotated[
        tuple[str, ...],
        Meta(
            description="Canonical URLs of profiles that every resource of the profile's type must conform to; `hms "
            "packages install` brings them."
        ),
    ] = ()
    profile_violations: Annotated[
        Literal["refuse", "warn"],
        Meta(
            description="What follows where a write breaks a profile but not R4: refuse it, or warn in the issues that "
            "Prefer: return=OperationOutcome asks for."
        ),
    ] = "refuse"
    best_practice: Annotated[
        bool, Meta(description="Whether the invariants that R4 only recommends, such as dom-6, are told as warnings.")
    ] = False
    lenient: Annotated[
        bool,
        Meta(
            description="Whether a search passes over parameters that it does not know, where the request has no "
            "Prefer: handling=… of its own; otherwise 400."
        ),
    ] = False
    default_page_size: Annotated[
        int, Meta(description="Entries of a page of search or history without _count.", ge=1, le=10_000)
    ] = 20
    max_page_size: Annotated[int, Meta(description="Most entries of a page; a larger _count gets this.", ge=1)] = 1000
    conditional_delete: Annotated[
        Literal["single", "multiple"],
        Meta(
            description="Whether DELETE by criteria may delete several resources; with single, several matches are 412."
        ),
    ] = "single"
    conditional_delete_limit: Annotated[
        int, Meta(description="Most resources that one conditional delete may delete; more matches are 412.", ge=1)
    ] = 1000

    import_from: Annotated[
        tuple[str, ...],
        Meta(
            description="What a URL must begin with for $import to fetch it, its host whole, such as "
            "https://files.example.org/bulk/. The host may have any address; redirects are not followed."
        ),
    ] = ()
    subscription_topics: Annotated[
        str,
        Meta(
            description="Folder of topics of Subscriptions, each a SubscriptionTopic of R4B as JSON, beside those that "
            "come with the server (docs/how-to/subscriptions.md)."
        ),
    ] = ""
    subscription_networks: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks, such as 10.0.0.0/8, and names of hosts that notifications of Subscriptions may go "
            "to though their addresses are not public, and over http; an open server calls any address."
        ),
    ] = ()
    subscription_authorities: Annotated[
        str,
        Meta(
            description="PEM file of the authorities that certificates of endpoints of Subscriptions may be from; "
            "empty: those that the system trusts."
        ),
    ] = ""
    subscription_seconds: Annotated[
        int, Meta(description="How long an endpoint of a Subscription may take for a notification.", ge=1, le=60)
    ] = 10
    subscription_attempts: Annotated[
        int, Meta(description="Failures in a row after which a Subscription is in error.", ge=1, le=10_000)
    ] = 12
    subscription_pause_seconds: Annotated[
        int,
        Meta(description="Longest pause between two tries to deliver a notification; the first is 1 s.", ge=1, le=3600),
    ] = 300

    views: Annotated[
        str,
        Meta(description="Folder of SQL on FHIR ViewDefinitions, NAME.json each, beside those that come with it."),
    ] = ""

    indicators: Annotated[
        str, Meta(description="Folder of indicators, NAME.json each, beside those that come with the server.")
    ] = ""
    reports: Annotated[
        str,
        Meta(description="Folder of scheduled reports, NAME.json each, beside those that come with the server."),
    ] = ""
    report_font: Annotated[
        str, Meta(description="TrueType file that reports as PDF are set in; empty: Bitstream Vera, for Latin letters.")
    ] = ""
    smtp_url: Annotated[
        str,
        Meta(
            description="Mail server that scheduled reports go to: smtp://USER:PASSWORD@HOST:587, which must have "
            "STARTTLS, or smtps://USER:PASSWORD@HOST:465. Empty: nothing is sent.",
            pattern=r"^(smtps?://[^\s]+)?$",
        ),
    ] = ""
    smtp_sender: Annotated[
        str,
        Meta(description="Address that reports come from.", pattern=r"^([^\s@<>]{1,64}@[A-Za-z0-9.-]{1,190})?$"),
    ] = ""
    smtp_authorities: Annotated[
        str,
        Meta(
            description="PEM file of the authorities that the mail server's certificate may be from; empty: those that "
            "the system trusts."
        ),
    ] = ""
    subsystems: Annotated[
        tuple[str, ...],
        Meta(
            description="Subsystems that run beside the server, in a process of their own: analytics, billing, "
            "workforce, each with a page at /NAME/ (docs/how-to/subsystems.md)."
        ),
    ] = ()

    timezone: Annotated[
        str, Meta(description="IANA time zone of the hospital's own days, nights and weeks, such as Europe/Berlin.")
    ] = "UTC"
    workforce_rest_hours: Annotated[
        int, Meta(description="Hours that a rota leaves between two shifts of one person.", ge=0, le=48)
    ] = 11
    workforce_days_in_a_row: Annotated[
        int, Meta(description="Most days one after the other on which a rota lets one person work.", ge=1, le=31)
    ] = 6
    workforce_pay: Annotated[
        str,
        Meta(
            description="JSON file with what is paid beside the rate by night, on weekends, on public holidays and "
            "past the week's hours, and with these holidays (docs/how-to/workforce.md); empty: the shipped one."
        ),
    ] = ""
    workforce_training: Annotated[
        str,
        Meta(description="JSON file with the training that people must have (docs/how-to/workforce.md); empty: none."),
    ] = ""

    dicom: Annotated[
        bool, Meta(description="Whether the server is a DICOM archive too: network services and DICOMweb.")
    ] = False
    dicom_host: Annotated[
        str, Meta(description="Address that DICOM associations are accepted on; empty: the same as host.")
    ] = ""
    dicom_port: Annotated[int, Meta(description="Port for DICOM associations; 0 takes a free one.", ge=0, le=65535)] = (
        11112
    )
    dicom_ae_title: Annotated[
        str,
        Meta(
            description="AE title of this archive, 16 characters at most; associations that call another are rejected.",
            pattern=r"^[^\\\x00-\x1f]{1,16}$",
        ),
    ] = "ULTIMATEHMS"
    dicom_processes: Annotated[
        int, Meta(description="Processes that accept associations on the one port.", ge=1, le=64)
    ] = 2
    dicom_max_associations: Annotated[
        int, Meta(description="Most associations at a time, over all processes; more are rejected.", ge=1, le=4096)
    ] = 100
    dicom_max_pdu: Annotated[
        int, Meta(description="Largest PDU that is received, in bytes.", ge=4096, le=16 * 2**20)
    ] = 131072
    dicom_timeout_seconds: Annotated[
        int,
        Meta(
            description="How long a silent association is kept; one whose peer takes longer over a message needs "
            "1,000 bytes a second for it.",
            ge=1,
            le=3600,
        ),
    ] = 60
    dicom_peers: Annotated[
        str,
        Meta(
            description="TOML file of peers and forward rules (docs/reference/dicom.md). Empty: peers.toml in the "
            "folder dicom of data, where it is."
        ),
    ] = ""
    dicom_known_peers_only: Annotated[
        bool | Literal["auto"],
        Meta(
            description="Whether associations of AE titles and addresses that are no peer are rejected; auto: where "
            "security is smart."
        ),
    ] = "auto"
    dicom_tls_certificate: Annotated[str, Meta(description="PEM file of the certificate for TLS; empty: no TLS.")] = ""
    dicom_tls_key: Annotated[str, Meta(description="PEM file of the certificate's key.")] = ""
    dicom_tls_clients: Annotated[
        str, Meta(description="PEM file of the authorities whose client certificates are asked for; empty: none are.")
    ] = ""
    dicom_storage: Annotated[
        str,
        Meta(
            description="Where DICOM files are kept: a folder or an fsspec URL such as s3://bucket/dicom. Empty: "
            "dicom/files in data."
        ),
    ] = ""
    dicom_fsync: Annotated[
        bool,
        Meta(
            description="Whether an instance is acknowledged only once it would survive power loss; false: for tests "
            "and throw-away loads."
        ),
    ] = True
    dicom_reserve_mb: Annotated[
        int, Meta(description="MiB to be left free on the disk; what would touch them is refused with A700.", ge=0)
    ] = 256
    dicom_duplicates: Annotated[
        Literal["refuse", "keep", "replace"],
        Meta(
            description="What follows other bytes under a known SOP Instance UID: refuse them (0111), keep the first "
            "ones (warning B000), or replace those. Always noted; the same bytes are a success."
        ),
    ] = "refuse"
    dicom_study_pause_seconds: Annotated[
        int, Meta(description="How long a study must be quiet before its ImagingStudy is written.", ge=0, le=86_400)
    ] = 5
    dicom_issuer: Annotated[
        str,
        Meta(description="Issuer of patient ids where neither the data set nor its sender has one."),
    ] = ""
    dicom_unknown_patients: Annotated[
        Literal["create", "hold"],
        Meta(
            description="What follows a study of a patient that FHIR does not know: create the Patient, or hold the "
            "study in quarantine."
        ),
    ] = "create"
    dicom_relational: Annotated[
        bool, Meta(description="Whether C-FIND, C-MOVE and C-GET take relational queries without being asked to.")
    ] = True
    dicom_order_steps: Annotated[
        bool,
        Meta(description="Whether an order of imaging has a Unified Procedure Step made, beside its worklist item."),
    ] = False
    dicom_step_days: Annotated[
        int,
        Meta(
            description="Days after which a Unified Procedure Step that has ended is removed, unless a deletion lock "
            "keeps it; its Task stays. 0: never.",
            ge=0,
            le=36_500,
        ),
    ] = 0
    dicom_web_url: Annotated[
        str,
        Meta(
            description="The DICOMweb base URL that clients see, no slash at its end. Empty: beside base_url, "
            "or made of each request's Host.",
            pattern=r"^(https?://[^\s?#]+[^\s?#/])?$",
        ),
    ] = ""
    dicom_web_delete: Annotated[
        bool, Meta(description="Whether DICOMweb's DELETE removes studies, series and instances.")
    ] = False

    interfaces_apart: Annotated[
        tuple[str, ...],
        Meta(
            description="Names of interfaces that run in processes apart with a data folder of their own: erasures "
            "wait until each has worked them off. On a secured server each is the id of the interface's client."
        ),
    ] = ()
    interface_name: Annotated[
        str,
        Meta(
            description="Of an interface that runs apart: its name in the server's interfaces_apart, whose erasures it "
            "works off.",
            pattern=r"^[A-Za-z0-9._-]{0,64}$",
        ),
    ] = ""
    hl7_port: Annotated[
        int, Meta(description="Port for HL7 v2 messages over MLLP, at the address of host; 0: none.", ge=0, le=65535)
    ] = 0
    hl7: Annotated[
        str,
        Meta(
            description="TOML file of HL7 v2 interfaces: listeners, folders, senders with their policies, destinations "
            "(docs/reference/hl7v2-interfaces.md)."
        ),
    ] = ""

    mongodb_url: Annotated[
        str,
        Meta(
            description="Connection string of a MongoDB 6 or later, a replica set or sharded cluster, that keeps the "
            "resources instead of the data folder, such as mongodb://db1,db2,db3/?replicaSet=rs0; it says members, "
            "replicaSet, TLS, login and pool too. Empty: the embedded store.",
            pattern=r"^(mongodb(\+srv)?://.+)?$",
        ),
    ] = ""
    mongodb_database: Annotated[
        str,
        Meta(
            description="Name of the database in MongoDB, of letters, digits, _ and -.",
            pattern=r"^[A-Za-z0-9_-]{1,60}$",
        ),
    ] = "hms"
    mongodb_reads: Annotated[
        Literal["primary", "primaryPreferred", "secondaryPreferred", "nearest"],
        Meta(
            description="Which member of MongoDB answers reads by id and history. Other than primary, a read may miss "
            "what was written a moment ago; writes and what they rely on always see everything."
        ),
    ] = "primary"
    job_files: Annotated[
        str,
        Meta(
            description="With mongodb_url: folder of the files of bulk exports and imports, which every machine has "
            "(such as one of NFS). Empty: in MongoDB (GridFS)."
        ),
    ] = ""
    elasticsearch_url: Annotated[
        str,
        Meta(
            description="URL of the Elasticsearch 8 or 9 that answers searches where mongodb_url is set, such as "
            "https://es1:9200; several with commas between, each may have user:password@.",
            pattern=r"^(https?://[^\s]+)?$",
        ),
    ] = ""

    elasticsearch_ca: Annotated[
        str,
        Meta(
            description="PEM file of the authorities that an https elasticsearch_url's certificate may be from; empty: "
            "those that the system trusts."
        ),
    ] = ""
    elasticsearch_shards: Annotated[
        int, Meta(description="Primary shards of a new search index; it holds for what is made after.", ge=1, le=256)
    ] = 1
    search_wait_seconds: Annotated[
        int,
        Meta(
            description="How long a search waits at most until Elasticsearch has seen what was committed before it "
            "began; 0 answers at once. Prefer: wait=0 asks for that in one request.",
            ge=0,
            le=300,
        ),
    ] = 5
    index_lag_seconds: Annotated[
        int,
        Meta(
            description="Writes wait, for five seconds at most, while what was committed so many seconds ago is not in "
            "Elasticsearch yet, so that it keeps up with a lasting load; 0: they never wait.",
            ge=0,
            le=30,
        ),
    ] = 1
    search_content: Annotated[
        bool,
        Meta(description="Whether Elasticsearch indexes all texts of a resource for _content: half of its work."),
    ] = True
    projecting: Annotated[
        bool,
        Meta(
            description="Whether the processes of this server feed Elasticsearch from the change feed; "
            "with false something else must, such as `hms project`."
        ),
    ] = True
    projectors: Annotated[
        int,
        Meta(
            description="Among how many processes the feeding of Elasticsearch is divided at most, each for its part "
            "of the resources; others stand by for one that goes. Where machines differ the greatest counts.",
            ge=1,
            le=64,
        ),
    ] = 1

    cache_mb: Annotated[
        int,
        Meta(
            description="SQLite's page cache in MiB, for each worker; what was read lately takes a fourth more.",
            ge=2,
            le=65_536,
        ),
    ] = 32
    synchronous: Annotated[
        Literal["FULL", "NORMAL", "OFF"],
        Meta(
            description="When SQLite flushes to the disk. FULL: an answered write survives power loss. NORMAL: the "
            "last ones may be lost, the store stays whole. OFF: for tests and throw-away loads."
        ),
    ] = "FULL"

    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="The least severe log lines that are written.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "console"],
        Meta(description="How log lines look; auto is console on a terminal and json elsewhere."),
    ] = "auto"
    access_log: Annotated[bool, Meta(description="Whether each request is logged, without ids or criteria.")] = False

    @property
    def origin(self) -> str:
        """Scheme, host and port that it listens on, as a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_certificate else 'http'}://{host}:{self.port}"
