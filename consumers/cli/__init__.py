"""The command line: `eventstore`, noun verb."""

from __future__ import annotations

from consumers.cli import (
    artifact,
    branch,
    doctor,
    driving,
    effects,
    evaluation,
    exporting,
    group,
    journal,
    log,
    override,
    page,
    parked,
    parked_changes,
    projection,
    rebuild,
    repairing,
    restoring,
    running,
    session,
    trace,
    transfer,
    trimming,
    usage,
)
from consumers.cli.root import app
from consumers.cli.streams import standard_streams

__all__ = ["app", "main"]

app.command("up")(running.bring_up)
app.command("down")(running.take_down)
app.command("work")(running.work)
app.command("drive")(driving.drive)
app.command("doctor")(doctor.doctor)
app.command("restore")(restoring.restore)
app.command("new")(restoring.begin_anew)
app.command("repair")(repairing.repair)
app.command("import")(transfer.import_files)
app.command("export")(exporting.export_sessions)
app.add_typer(session.app, name="session")
session.app.command("effects")(effects.show_effects)
session.app.command("trace")(trace.trace_session)
session.app.command("page")(page.write_page)
app.add_typer(artifact.app, name="artifact")
app.add_typer(branch.app, name="branch")
app.add_typer(override.app, name="override")
app.add_typer(evaluation.app, name="eval")
app.add_typer(projection.app, name="projection")
projection.app.command("rebuild")(rebuild.rebuild)
app.add_typer(group.app, name="group")
app.add_typer(parked.app, name="parked")
parked.app.command("replay")(parked_changes.replay)
parked.app.command("drop")(parked_changes.drop)
app.add_typer(log.app, name="log")
log.app.command("trim")(trimming.trim)
log.app.command("usage")(usage.show_usage)
app.add_typer(journal.app, name="journal")


def main() -> None:
    """Run the command that the arguments of this process name, and exit."""
    with standard_streams():
        app()
