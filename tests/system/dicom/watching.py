"""Peers that are told of procedure steps, and an archive whose peers they are."""

from __future__ import annotations

import queue
from pathlib import Path

from pynetdicom import AE, evt
from pynetdicom.sop_class import UnifiedProcedureStepEvent

from fhir_server.core.settings import Settings
from tests.system.dicom.conftest import free_port


class Watcher:
    """A peer to which events are reported."""

    def __init__(self, title, port=None):
        self.title, self.port = title, port or free_port()
        self.told = queue.Queue()
        self._entity = AE(title)
        self._entity.add_supported_context(UnifiedProcedureStepEvent, scu_role=True, scp_role=True)
        self._server = None

    def start(self):
        handlers = [(evt.EVT_N_EVENT_REPORT, self._hear)]
        self._server = self._entity.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers)

    def stop(self):
        if self._server is not None:
            self._server.shutdown()

    def _hear(self, event):
        self.told.put((str(event.request.AffectedSOPInstanceUID), event.event_type, event.event_information))
        return 0x0000, None

    def next(self, uid):
        """The next event, which is of that step: its type and information."""
        told, kind, information = self.told.get(timeout=30)
        assert told == uid
        return kind, information

    def states(self, uid, count):
        return [self.next(uid)[1].ProcedureStepState for _ in range(count)]


def watched_by(folder: Path, *watchers: Watcher, more: str = "") -> Settings:
    """Settings of an archive in a folder whose peers are the watchers; more: further lines of the peers file."""
    peers = folder / "peers.toml"
    lines = [f'[[peer]]\nae_title = "{each.title}"\nhost = "127.0.0.1"\nport = {each.port}\n' for each in watchers]
    peers.write_text("".join(lines) + more)
    return Settings(
        data=folder / "data",
        synchronous="OFF",
        dicom=True,
        dicom_fsync=False,
        dicom_reserve_mb=0,
        dicom_peers=str(peers),
    )
