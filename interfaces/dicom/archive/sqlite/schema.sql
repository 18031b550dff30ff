-- The index of the DICOM archive. Attributes are kept in the DICOM JSON Model, what is searched by is in columns.
CREATE TABLE IF NOT EXISTS patient (
    pk INTEGER PRIMARY KEY, patient_id TEXT NOT NULL, issuer TEXT NOT NULL, name TEXT NOT NULL, birth_date TEXT NOT NULL,
    sex TEXT NOT NULL, attributes TEXT NOT NULL, UNIQUE (patient_id, issuer)
);
CREATE INDEX IF NOT EXISTS patient_name ON patient (name, pk);
CREATE INDEX IF NOT EXISTS patient_birth ON patient (birth_date, pk);
CREATE TABLE IF NOT EXISTS study (
    pk INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, patient INTEGER NOT NULL REFERENCES patient, date TEXT NOT NULL,
    time TEXT NOT NULL, accession TEXT NOT NULL, accession_issuer TEXT NOT NULL, study_id TEXT NOT NULL,
    description TEXT NOT NULL, referring TEXT NOT NULL, modalities TEXT NOT NULL, series_count INTEGER NOT NULL,
    sender TEXT NOT NULL, received INTEGER NOT NULL, state TEXT NOT NULL DEFAULT 'kept', reason TEXT NOT NULL DEFAULT '',
    attributes TEXT NOT NULL, coercion TEXT NOT NULL DEFAULT '', decision TEXT NOT NULL DEFAULT '',
    fhir_study TEXT NOT NULL DEFAULT '', fhir_patient TEXT NOT NULL DEFAULT '', fhir_order TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS study_patient ON study (patient, pk);
CREATE INDEX IF NOT EXISTS study_date ON study (date, pk);
CREATE INDEX IF NOT EXISTS study_accession ON study (accession, pk);
CREATE INDEX IF NOT EXISTS study_state ON study (state, pk) WHERE state <> 'kept';
CREATE INDEX IF NOT EXISTS study_fhir_patient ON study (fhir_patient) WHERE fhir_patient <> '';
CREATE INDEX IF NOT EXISTS study_fhir_order ON study (fhir_order) WHERE fhir_order <> '';
CREATE TABLE IF NOT EXISTS series (
    pk INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, study INTEGER NOT NULL REFERENCES study, modality TEXT NOT NULL,
    number INTEGER, instance_count INTEGER NOT NULL, attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS series_study ON series (study, pk);
CREATE TABLE IF NOT EXISTS instance (
    pk INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, series INTEGER NOT NULL REFERENCES series, sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL, number INTEGER, frames INTEGER NOT NULL, digest TEXT NOT NULL, size INTEGER NOT NULL,
    start INTEGER NOT NULL, sender TEXT NOT NULL, received INTEGER NOT NULL, attributes TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS instance_series ON instance (series, pk);
CREATE INDEX IF NOT EXISTS instance_digest ON instance (digest);
CREATE TABLE IF NOT EXISTS event (
    pk INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS event_subject ON event (subject, pk);
CREATE TABLE IF NOT EXISTS job (
    pk INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, due INTEGER NOT NULL, attempts INTEGER NOT NULL
    DEFAULT 0, state TEXT NOT NULL DEFAULT 'waiting', round INTEGER NOT NULL DEFAULT 0, leased INTEGER NOT NULL DEFAULT 0,
    problem TEXT NOT NULL DEFAULT '', payload TEXT NOT NULL DEFAULT '{}', UNIQUE (kind, key)
);
CREATE INDEX IF NOT EXISTS job_due ON job (state, due);
CREATE TABLE IF NOT EXISTS procedure_step (
    uid TEXT PRIMARY KEY, status TEXT NOT NULL, attributes TEXT NOT NULL, sender TEXT NOT NULL, changed INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS sent (peer TEXT NOT NULL, uid TEXT NOT NULL, PRIMARY KEY (peer, uid)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sent_uid ON sent (uid);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS workitem (
    pk INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, state TEXT NOT NULL, label TEXT NOT NULL, patient_id TEXT NOT NULL,
    transaction_uid TEXT NOT NULL, requester TEXT NOT NULL, performer TEXT NOT NULL, created INTEGER NOT NULL,
    changed INTEGER NOT NULL, changed_by TEXT NOT NULL, changed_name TEXT NOT NULL, attributes TEXT NOT NULL,
    coercion TEXT NOT NULL DEFAULT '{}', fhir_task TEXT NOT NULL DEFAULT '', fhir_patient TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS workitem_fhir_patient ON workitem (fhir_patient) WHERE fhir_patient <> '';
CREATE INDEX IF NOT EXISTS workitem_state ON workitem (state, pk);
CREATE INDEX IF NOT EXISTS workitem_patient ON workitem (patient_id, pk);
CREATE TABLE IF NOT EXISTS subscription (
    subscriber TEXT NOT NULL, uid TEXT NOT NULL, deletion_lock INTEGER NOT NULL, keys TEXT NOT NULL,
    PRIMARY KEY (subscriber, uid)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS subscription_uid ON subscription (uid);
CREATE TABLE IF NOT EXISTS workitem_event (
    pk INTEGER PRIMARY KEY, subscriber TEXT NOT NULL, uid TEXT NOT NULL, type INTEGER NOT NULL,
    information TEXT NOT NULL, at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS workitem_event_subscriber ON workitem_event (subscriber, pk);
