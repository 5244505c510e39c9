"""psql on a simulated PostgreSQL server."""

from __future__ import annotations

import pytest

from livchat_sandbox.docker import psql
from livchat_sandbox.docker.postgres import Cluster


class TestPsql:
    def run(self, text: str, code: int = 0, database: str = "postgres") -> str:
        stdout, stderr, found = psql.run_script(self.cluster, database, text, 1.0)
        assert found == code, stderr
        return stdout + stderr

    @pytest.fixture(autouse=True)
    def _cluster(self) -> None:
        self.cluster = Cluster.initialized(0.0)

    def test_semicolons_in_quotes_do_not_end_a_statement(self) -> None:
        assert psql.split_statements("SELECT ';'; SELECT $x$;$x$ -- ;\n; SELECT \";\"") == [
            "SELECT ';'",
            "SELECT $x$;$x$",
            'SELECT ";"',
        ]

    def test_roles_and_databases_are_found_once_made(self) -> None:
        assert self.run("SELECT 1 FROM pg_roles WHERE rolname = 'x';") == ""
        self.run("CREATE ROLE \"x\" LOGIN PASSWORD 'a''b'; CREATE DATABASE x OWNER \"x\";")
        assert self.run("SELECT 1 FROM pg_roles WHERE rolname = 'x';") == "1\n"
        assert self.run("SELECT 1 FROM pg_database WHERE datname = 'x';") == "1\n"
        assert self.cluster.check_login("x", "a'b", "x") == (1.0, None)

    def test_errors_are_postgresqls_and_stop_the_script(self) -> None:
        self.run("CREATE DATABASE x")
        again = self.run("CREATE DATABASE x; CREATE DATABASE y", code=3)
        assert again == 'ERROR:  database "x" already exists\n'
        assert "y" not in self.cluster.databases
        assert 'role "r" does not exist' in self.run("CREATE DATABASE z OWNER r", code=3)
        assert "sandbox: not simulated" in self.run("VACUUM FULL", code=3)
        assert "does not exist" in self.run("SELECT 1", code=2, database="nope")

    def test_only_the_owner_may_connect_once_everybody_may_not(self) -> None:
        self.run("CREATE ROLE a LOGIN PASSWORD 'a'; CREATE ROLE b LOGIN PASSWORD 'b'")
        self.run("CREATE DATABASE x OWNER a; REVOKE CONNECT ON DATABASE x FROM PUBLIC")
        assert self.cluster.check_login("a", "a", "x")[1] is None
        assert self.cluster.check_login("b", "b", "x")[1] == 'permission denied for database "x"'
        self.run("GRANT CONNECT ON DATABASE x TO b")
        assert self.cluster.check_login("b", "b", "x")[1] is None

    def test_dropping_twice_is_fine_only_if_it_is_said(self) -> None:
        self.run("CREATE ROLE a LOGIN PASSWORD 'a'; CREATE DATABASE x OWNER a")
        assert "some objects depend on it" in self.run("DROP ROLE a", code=3)
        self.run("DROP DATABASE IF EXISTS x; DROP ROLE IF EXISTS a")
        self.run("DROP DATABASE IF EXISTS x; DROP ROLE IF EXISTS a")
        assert "does not exist" in self.run("DROP ROLE a", code=3)

    def test_extensions_belong_to_their_database(self) -> None:
        self.run("CREATE DATABASE x")
        self.run("CREATE EXTENSION IF NOT EXISTS vector", database="x")
        self.run("CREATE EXTENSION IF NOT EXISTS vector", database="x")
        assert (
            self.run("SELECT 1 FROM pg_extension WHERE extname = 'vector'", database="x") == "1\n"
        )
        assert self.run("SELECT 1 FROM pg_extension WHERE extname = 'vector'") == ""
