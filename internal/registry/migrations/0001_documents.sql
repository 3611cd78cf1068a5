-- One table holds every resource. pkey and nkey are parent and name folded for
-- comparing; parent and name keep the case in which they were given.
CREATE TABLE object (
	kind       TEXT NOT NULL,
	pkey       TEXT NOT NULL,
	nkey       TEXT NOT NULL,
	parent     TEXT NOT NULL,
	name       TEXT NOT NULL,
	revision   INTEGER NOT NULL,
	generation INTEGER NOT NULL,
	deleted    INTEGER NOT NULL DEFAULT 0,
	created    INTEGER NOT NULL, -- microseconds since the Unix epoch
	updated    INTEGER NOT NULL,
	doc        TEXT NOT NULL,    -- the resource, without what the columns hold
	device     TEXT GENERATED ALWAYS AS (lower(doc ->> '$.properties.deviceRef.deviceName')) VIRTUAL,
	endpoint   TEXT GENERATED ALWAYS AS (doc ->> '$.properties.deviceRef.endpointName') VIRTUAL,
	profile    TEXT GENERATED ALWAYS AS (lower(doc ->> '$.properties.assetEndpointProfileRef')) VIRTUAL,
	PRIMARY KEY (kind, pkey, nkey)
) WITHOUT ROWID;
CREATE UNIQUE INDEX object_revision ON object (revision);
CREATE INDEX object_device ON object (kind, pkey, device) WHERE device IS NOT NULL;
CREATE INDEX object_profile ON object (kind, pkey, profile) WHERE profile IS NOT NULL;

-- The number of the last write. Revisions are given out inside the write
-- transaction, so there are no gaps and no reordering.
CREATE TABLE clock (
	only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
	revision INTEGER NOT NULL
);
INSERT INTO clock VALUES (1, 0);

-- What connectors report. It never moves the clock.
CREATE TABLE status (
	kind    TEXT NOT NULL,
	pkey    TEXT NOT NULL,
	nkey    TEXT NOT NULL,
	updated INTEGER NOT NULL,
	doc     TEXT NOT NULL,
	PRIMARY KEY (kind, pkey, nkey)
) WITHOUT ROWID;

-- What each resource was, from its first day on.
CREATE TABLE history (
	revision   INTEGER PRIMARY KEY,
	kind       TEXT NOT NULL,
	pkey       TEXT NOT NULL,
	nkey       TEXT NOT NULL,
	at         INTEGER NOT NULL,
	who        TEXT NOT NULL,
	operation  TEXT NOT NULL, -- create, update, delete
	generation INTEGER NOT NULL,
	doc        TEXT NOT NULL
);
CREATE INDEX history_key ON history (kind, pkey, nkey, revision);

-- Secrets: ciphertext only.
CREATE TABLE secret (
	instance   TEXT NOT NULL,
	name       TEXT NOT NULL,
	entry      TEXT NOT NULL,
	nonce      BLOB NOT NULL,
	ciphertext BLOB NOT NULL,
	updated    INTEGER NOT NULL,
	PRIMARY KEY (instance, name, entry)
) WITHOUT ROWID;
