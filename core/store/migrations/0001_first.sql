-- One row: what is said once for the whole site, and the revision of the store.
CREATE TABLE site (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    name     TEXT NOT NULL,
    domain   TEXT NOT NULL,           -- LON domain id, hexadecimal
    subnet   INTEGER NOT NULL,        -- the console's own place in it
    node     INTEGER NOT NULL,
    rev      INTEGER NOT NULL
);

CREATE TABLE port (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    url      TEXT NOT NULL UNIQUE,
    protocol TEXT NOT NULL,
    state    TEXT NOT NULL,
    detail   TEXT NOT NULL,
    rev      INTEGER NOT NULL
);

CREATE TABLE device_group (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    rev      INTEGER NOT NULL
);

CREATE TABLE device (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,  -- in order of creation: license seats follow it
    name          TEXT NOT NULL UNIQUE,
    uid           TEXT UNIQUE,                        -- NULL: not known yet
    protocol      TEXT NOT NULL,
    port_id       INTEGER REFERENCES port(id),
    group_id      INTEGER REFERENCES device_group(id),
    program_id    TEXT,
    state         TEXT NOT NULL,
    ours          INTEGER NOT NULL,
    application   INTEGER NOT NULL,
    health        TEXT NOT NULL,
    licensed      INTEGER NOT NULL,
    marginal      TEXT NOT NULL,
    address_text  TEXT,
    address_parts TEXT,                               -- JSON
    address_key   TEXT UNIQUE,                        -- what must be unique; NULL for addresses this site did not give
    failed_task   INTEGER REFERENCES task(id),        -- the failure nobody has looked at yet
    seen_at       REAL,
    created_at    REAL NOT NULL,
    rev           INTEGER NOT NULL
);
CREATE INDEX device_rev ON device(rev);
CREATE INDEX device_group_members ON device(group_id);
CREATE INDEX device_port ON device(port_id);

CREATE TABLE trusted_key (
    id        TEXT PRIMARY KEY,
    pem       TEXT NOT NULL,
    added_at  REAL NOT NULL,
    added_by  TEXT NOT NULL
);

CREATE TABLE license (
    id        TEXT PRIMARY KEY,
    devices   INTEGER NOT NULL,
    site      TEXT,
    issued    REAL NOT NULL,
    expires   REAL,
    key       TEXT NOT NULL REFERENCES trusted_key(id),
    added_at  REAL NOT NULL,
    added_by  TEXT NOT NULL
);

CREATE TABLE job (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    action      TEXT NOT NULL,
    title       TEXT NOT NULL,
    subject     TEXT NOT NULL,
    parameters  TEXT NOT NULL,        -- JSON
    state       TEXT NOT NULL,
    operator    TEXT NOT NULL,
    cancelling  INTEGER NOT NULL,
    priority    INTEGER NOT NULL,
    created_at  REAL NOT NULL,
    finished_at REAL,
    rev         INTEGER NOT NULL
);
CREATE INDEX job_open ON job(id) WHERE state = 'running';

-- One device of a job: the truth for taking work up again.
CREATE TABLE task (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL REFERENCES job(id),
    device_id   INTEGER NOT NULL REFERENCES device(id),
    state       TEXT NOT NULL,
    step        TEXT NOT NULL,
    percent     INTEGER,
    reason      TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    started_at  REAL,
    finished_at REAL,
    rev         INTEGER NOT NULL
);
CREATE INDEX task_job ON task(job_id);
CREATE INDEX task_rev ON task(rev);
CREATE UNIQUE INDEX task_open ON task(device_id) WHERE state IN ('queued', 'running');

-- The journal: what was about to be done, written before, and what came of it.
CREATE TABLE step (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id     INTEGER NOT NULL REFERENCES task(id),
    name        TEXT NOT NULL,
    recovery    TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    detail      TEXT NOT NULL,
    started_at  REAL NOT NULL,
    finished_at REAL
);
CREATE INDEX step_task ON step(task_id);
