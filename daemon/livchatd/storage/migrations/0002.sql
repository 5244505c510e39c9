-- A list by server, type and status at once: by any two of them, most rows would be read in vain.
CREATE INDEX jobs_by_server_type_and_status ON jobs (server, type, status, n)
    WHERE server IS NOT NULL;
