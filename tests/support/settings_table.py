"""docs/settings.md from the settings model; run as a program, it rewrites the file.

.venv/bin/python tests/support/settings_table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventstore.settings import AppSettings
from eventstore.settings_sources import ALIASES, leaves, variable

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
INTRODUCTION = """\
# Settings

Read once, at the first use, from four places; the first that gives a setting wins:

1. arguments of `AppSettings(...)`;
2. the environment: the name in the table, then the alias beside it. An empty variable counts as
   unset. `HOST`, `PORT` and other bare names are never read;
3. one JSON file: the one `EVENTSTORE_CONFIG` names, else `./config/config.json`, else the packaged
   default. A named file must exist;
4. the default in the table.

Each setting is taken by itself: a file that gives `redis.host` leaves `redis.port` to the others.
A key or an `EVENTSTORE_` variable that is no setting is an error that names it and its source.
Variables with which Kubernetes describes a Service (`REDIS_PORT=tcp://…`) are left alone.

**Which Redis.** `redis.url` gives the whole address and wins over `redis.host`, `redis.port` and
`redis.db` beside it; a host given in a higher place drops a URL from a lower one. With neither
URL nor host the embedded server is used, unless `EVENTSTORE_EMBEDDED=never`; in mode production
that logs one warning.

**Agents** are read from the file that `EVENTSTORE_AGENTS` names, else `./config/agents.json`, else
the packaged default: a list, or an object with the list under `agents`, in JSON or (extra `yaml`)
YAML. Each agent has an `id`, unique in the file, and a `kind`: `llm`, `rule_based` or
`human_in_loop`.

Secrets are shown as `**********`, and no error message shows a value. Variables of type object
(`llm.models.supported_models`, `logging.levels`, `payloads.storage_options`,
`journal.storage_options`) hold JSON.

| Setting | Environment | Default | Meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    rows = [_row(path, field) for path, field in leaves(AppSettings)]
    return INTRODUCTION + "\n".join(rows) + "\n"


def _row(path: tuple[str, ...], field: FieldInfo) -> str:
    names = [variable(path), *(name for name, target in ALIASES.items() if target == path)]
    shown = ", ".join(f"`{name}`" for name in names)
    meaning = (field.description or "").replace("|", "\\|")
    return f"| `{'.'.join(path)}` | {shown} | {_default(field)} | {meaning} |"


def _default(field: FieldInfo) -> str:
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if value is None:
        return "unset"
    return f"`{json.dumps(value)}`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
