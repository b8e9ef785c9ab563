"""A Celery application whose tasks publish; its broker is a directory. Run by a test."""

from __future__ import annotations

import os

from celery import Celery

from eventstore import connect_celery, get_bus, get_redis, logger

FOLDER = os.environ["TEST_CELERY_FOLDER"]

app = Celery("celery_app", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": FOLDER,
        "data_folder_out": FOLDER,
        "processed_folder": FOLDER,
        "control_folder": f"{FOLDER}/control",
    },
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=False,
)
connect_celery()


def publish(number: int) -> None:
    """Publish which process did this, over which connection of the server."""
    seen = {"number": number, "pid": os.getpid(), "client": get_redis().client_id()}
    get_bus().publish({"session_id": "celery", "agent_id": "worker", "type": "state"}, seen)
    logger.info({"message": "published", "number": number})


publish_later = app.task(publish, name="publish")
