-- Version 1: jobs with their steps, events, locks, claims and durations; servers and apps.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row a job. `n` gives the order; times are RFC 3339 UTC text, so that they sort.
CREATE TABLE jobs (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    status TEXT NOT NULL,
    summary TEXT NOT NULL,
    server TEXT,
    params TEXT NOT NULL,
    learnt TEXT NOT NULL,
    variant TEXT NOT NULL,
    progress INTEGER NOT NULL DEFAULT 0,
    current_step TEXT,
    estimated_completion TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    completed_at TEXT,
    result TEXT,
    error TEXT,
    error_code TEXT,
    hint TEXT,
    waiting_for TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    rollback TEXT,
    left_behind TEXT NOT NULL DEFAULT '[]',
    retry_of TEXT,
    origin TEXT NOT NULL,
    caller TEXT NOT NULL,
    owner TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 1,
    lease TEXT,
    version TEXT NOT NULL
);
CREATE INDEX jobs_by_status ON jobs (status, n);
CREATE INDEX jobs_by_type ON jobs (type, n);
CREATE INDEX jobs_by_type_and_status ON jobs (type, status, n);
CREATE INDEX jobs_by_server ON jobs (server, n) WHERE server IS NOT NULL;
CREATE INDEX jobs_by_server_and_status ON jobs (server, status, n) WHERE server IS NOT NULL;
CREATE INDEX jobs_by_server_and_type ON jobs (server, type, n) WHERE server IS NOT NULL;

CREATE TABLE steps (
    n INTEGER NOT NULL,
    position INTEGER NOT NULL,
    key TEXT NOT NULL,
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    touched INTEGER NOT NULL DEFAULT 0,
    expected REAL NOT NULL,
    progress TEXT,
    started_at TEXT,
    completed_at TEXT,
    error TEXT,
    PRIMARY KEY (n, position)
) WITHOUT ROWID;

-- Append only. `seq` is given by the one writer, without holes; `meta.seq_floor` keeps it from
-- ever being used again after the newest events were pruned.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    n INTEGER NOT NULL,
    type TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_by_job ON events (n, seq);
CREATE INDEX logs_by_job ON events (n, seq) WHERE type = 'log';

-- A lock is a row that belongs to a live job; the oldest one of a resource holds it.
CREATE TABLE locks (
    resource TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (resource, n)
) WITHOUT ROWID;

-- First answers, by the caller's Idempotency-Key.
CREATE TABLE claims (
    key TEXT PRIMARY KEY,
    digest TEXT NOT NULL,
    status INTEGER NOT NULL,
    body TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;

-- The last durations of each step, in a ring of 32 slots.
CREATE TABLE durations (
    step TEXT NOT NULL,
    variant TEXT NOT NULL,
    slot INTEGER NOT NULL,
    seconds REAL NOT NULL,
    PRIMARY KEY (step, variant, slot)
) WITHOUT ROWID;

CREATE TABLE servers (
    name TEXT PRIMARY KEY,
    record TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE apps (
    server TEXT NOT NULL,
    name TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (server, name)
) WITHOUT ROWID;

-- Every change that somebody asked for.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    caller TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    status INTEGER NOT NULL
);
