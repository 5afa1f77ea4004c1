"""Run by the server's own virtualenv: a real Argilla server in this process, on a port of this machine.

``serve.py PORT WORKSPACE USERS``: migrate the database that the environment names, make the users of a JSON
list (name, role, password, key) and their workspace where they are not there yet, and serve until killed.
"""

import asyncio
import importlib
import json
import sys
from pathlib import Path

import uvicorn
from argilla_server.cli.database.migrate import migrate_db
from argilla_server.cli.database.users.create import _create


async def make_users(users: list[dict[str, str]], workspace: str) -> None:
    from argilla_server.models import UserRole

    for user in users:
        await _create(
            first_name=user["name"],
            username=user["name"],
            role=UserRole(user["role"]),
            password=user["password"],
            api_key=user["key"],
            workspace=[workspace],
        )


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))
    importlib.import_module("search_engine")  # registers itself
    port, workspace, users = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    migrate_db(revision="head")
    asyncio.run(make_users(users, workspace))
    uvicorn.run("argilla_server:app", host="127.0.0.1", port=port, access_log=False, log_level="warning")


if __name__ == "__main__":
    main()
