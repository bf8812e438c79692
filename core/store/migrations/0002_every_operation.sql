-- A device can be removed and its history stays: tasks keep the name and the UID it had when they were started.
CREATE TABLE task_with_name (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id      INTEGER NOT NULL REFERENCES job(id),
    device_id   INTEGER NOT NULL,             -- no reference: the device may be gone
    name        TEXT NOT NULL,
    uid         TEXT NOT NULL,
    state       TEXT NOT NULL,
    step        TEXT NOT NULL,
    percent     INTEGER,
    detail      TEXT NOT NULL DEFAULT '',     -- beside the percentage: bytes, rate, time left
    reason      TEXT NOT NULL,
    attempt     INTEGER NOT NULL,
    started_at  REAL,
    finished_at REAL,
    rev         INTEGER NOT NULL,
    record_only INTEGER NOT NULL DEFAULT 0     -- the device itself is not told
);
INSERT INTO task_with_name (id, job_id, device_id, name, uid, state, step, percent, reason, attempt,
                            started_at, finished_at, rev)
    SELECT t.id, t.job_id, t.device_id, d.name, coalesce(d.uid, ''), t.state, t.step, t.percent, t.reason, t.attempt,
           t.started_at, t.finished_at, t.rev
    FROM task t JOIN device d ON d.id = t.device_id;
DROP TABLE task;
ALTER TABLE task_with_name RENAME TO task;
CREATE INDEX task_job ON task(job_id);
CREATE INDEX task_rev ON task(rev);
CREATE INDEX task_device ON task(device_id);
CREATE UNIQUE INDEX task_open ON task(device_id) WHERE state IN ('queued', 'running');

-- What is gone, so that those who read by revision learn of it.
CREATE TABLE removed (
    device_id INTEGER PRIMARY KEY,
    rev       INTEGER NOT NULL
);
CREATE INDEX removed_rev ON removed(rev);

-- Devices that a search shall not offer again.
CREATE TABLE ignored (
    uid      TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    protocol TEXT NOT NULL,
    at       REAL NOT NULL,
    by       TEXT NOT NULL
);

ALTER TABLE device ADD COLUMN type TEXT NOT NULL DEFAULT '';      -- the kind of device, in the site's words
ALTER TABLE device ADD COLUMN location TEXT NOT NULL DEFAULT '';
ALTER TABLE device ADD COLUMN model INTEGER;                      -- the protocol's own number
ALTER TABLE device ADD COLUMN firmware INTEGER;
ALTER TABLE device ADD COLUMN points TEXT NOT NULL DEFAULT '[]';  -- JSON: the datapoints that are polled
ALTER TABLE device ADD COLUMN carried TEXT NOT NULL DEFAULT '{}'; -- JSON: columns of an import that only travel along
ALTER TABLE device ADD COLUMN checkpoint TEXT;                    -- JSON: where an operation was cut off

-- The configuration of devices as it was; the newest of a device is the one that is restored.
CREATE TABLE snapshot (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id  INTEGER NOT NULL,
    task_id    INTEGER,
    uid        TEXT NOT NULL,
    program_id TEXT,
    version    INTEGER NOT NULL,
    document   TEXT NOT NULL,         -- JSON
    taken_at   REAL NOT NULL
);
CREATE INDEX snapshot_device ON snapshot(device_id);

-- The image repository; the bytes are in files named by their hash.
CREATE TABLE image (
    sha256     TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    protocol   TEXT NOT NULL,
    type       TEXT NOT NULL,
    program_id TEXT,
    model      INTEGER,
    firmware   INTEGER,
    opaque     INTEGER NOT NULL,
    size       INTEGER NOT NULL,
    added_at   REAL NOT NULL,
    added_by   TEXT NOT NULL,
    rev        INTEGER NOT NULL
);

ALTER TABLE port ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;    -- monitoring, by an operator
ALTER TABLE job ADD COLUMN pauses INTEGER NOT NULL DEFAULT 0;     -- it holds the monitoring of its ports while it runs
ALTER TABLE job ADD COLUMN awaits_seats INTEGER NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN not_before REAL NOT NULL DEFAULT 0;    -- nothing of it is done before that time

ALTER TABLE site ADD COLUMN mode TEXT NOT NULL DEFAULT 'dmm';
ALTER TABLE site ADD COLUMN without TEXT NOT NULL DEFAULT '[]';   -- JSON: protocols the site does not have
ALTER TABLE site ADD COLUMN pausing TEXT NOT NULL DEFAULT 'ask';
ALTER TABLE site ADD COLUMN pause_above REAL NOT NULL DEFAULT 10; -- events per second
ALTER TABLE site ADD COLUMN poll_seconds REAL NOT NULL DEFAULT 10;

-- Descriptions of device types, for drivers that need them.
CREATE TABLE device_type (
    protocol TEXT NOT NULL,
    name     TEXT NOT NULL,
    text     TEXT NOT NULL,
    added_at REAL NOT NULL,
    added_by TEXT NOT NULL,
    PRIMARY KEY (protocol, name)
);
