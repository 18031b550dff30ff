"""Orthanc as a peer in both directions, and TLS with client certificates."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess

import httpx
import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from interfaces.dicom.scu import services
from interfaces.dicom.scu.association import NoAssociation
from interfaces.dicom.scu.checkpoint import steady
from tests.authority import Authority
from tests.system.dicom.conftest import TITLE, dcmtk, free_port, until
from tests.system.dicom.images import files, image, study
from tests.system.dicom.test_studies import idle, receive


@pytest.fixture
def orthanc(dicom_with, tmp_path):
    """An archive and an Orthanc that know one another; gives the archive and Orthanc's REST base."""
    program = shutil.which("Orthanc")
    if not program:
        pytest.skip("ORTHANC IS NOT INSTALLED: apt-get install orthanc; without it no rival is a peer")
    port, web = free_port(), free_port()
    peers = tmp_path / "peers.toml"
    peers.write_text(f'[[peer]]\nae_title = "ORTHANC"\nhost = "127.0.0.1"\nport = {port}\n')
    dicom = dicom_with(dicom_peers=str(peers))
    settings = {
        "StorageDirectory": str(tmp_path / "orthanc"),
        "IndexDirectory": str(tmp_path / "orthanc"),
        "DicomAet": "ORTHANC",
        "DicomPort": port,
        "HttpPort": web,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "DicomModalities": {"ours": [TITLE, "127.0.0.1", dicom.port]},
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings))
    process = subprocess.Popen([program, str(tmp_path / "orthanc.json")], stderr=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{web}"

    def answers():
        try:
            return httpx.get(f"{base}/system").status_code == 200
        except httpx.TransportError:
            return False

    try:
        until(answers)
        yield dicom, base, port
    finally:
        process.terminate()
        process.wait()


def test_orthanc_takes_what_is_sent_and_sends_what_is_asked_for(orthanc, tmp_path):
    dicom, base, port = orthanc
    context = dicom.context
    peer = context.configuration.peers().named("ORTHANC")
    assert services.echo(context, peer) > 0

    ours = study(3)
    receive(dicom, *ours)
    dicom.archive.enqueue("forward", f"ORTHANC {ours[0].StudyInstanceUID}")
    idle(dicom)
    assert httpx.get(f"{base}/statistics").json()["CountInstances"] == 3

    pushed, pulled = study(2, PatientID="O1"), study(2, PatientID="O2")
    sent = files([*pushed, *pulled], tmp_path / "theirs")
    run = [dcmtk("storescu"), "-aec", "ORTHANC", "127.0.0.1", str(port), *map(str, sent)]
    assert subprocess.run(run).returncode == 0
    wanted = {"Level": "Study", "Query": {"PatientID": "O1"}}
    [known] = httpx.post(f"{base}/tools/find", json=wanted).json()
    assert httpx.post(f"{base}/modalities/ours/store", json=[known], timeout=60).status_code == 200
    assert dicom.count("patient", patient_id="O1") == 1

    keys = {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "00100020": {"vr": "LO", "Value": ["O2"]}}
    [found] = services.find(context, peer, {**keys, "0020000D": {"vr": "UI"}})
    assert found["0020000D"]["Value"] == [pulled[0].StudyInstanceUID]
    assert services.fetch(context, peer, pulled[0].StudyInstanceUID) == 2
    assert dicom.count("patient", patient_id="O2") == 1


def test_tls_with_client_certificates(dicom_with, tmp_path):
    authority = Authority(tmp_path)
    served, key = authority.certificate("server")
    dicom = dicom_with(dicom_tls_certificate=str(served), dicom_tls_key=str(key), dicom_tls_clients=str(authority.path))
    silent = socket.create_connection(("127.0.0.1", dicom.port))  # a handshake that never comes holds nobody up
    entity = AE("MODALITY")
    entity.add_requested_context(Verification)
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1")
    known, stranger = (ssl.create_default_context(cafile=str(authority.path)) for _ in range(2))
    known.load_cert_chain(*authority.certificate("client"))
    association = steady(entity.associate("127.0.0.1", dicom.port, ae_title=TITLE, tls_args=(known, "localhost")))
    assert association.is_established and association.send_c_echo().Status == 0
    assert association.send_c_store(image(256)).Status == 0
    association.release()
    assert not entity.associate(
        "127.0.0.1", dicom.port, ae_title=TITLE, tls_args=(stranger, "localhost")
    ).is_established
    assert not entity.associate("127.0.0.1", dicom.port, ae_title=TITLE).is_established
    silent.close()


def test_client_certificates_that_do_not_count_are_refused_and_hold_no_place(dicom_with, tmp_path):
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    served, key = authority.certificate("server")
    tls = {"dicom_tls_certificate": str(served), "dicom_tls_key": str(key), "dicom_tls_clients": str(authority.path)}
    dicom = dicom_with(dicom_max_associations=1, **tls)

    def echo(*proof):
        return dicom.tool("echoscu", *proof, "+cf", authority.path).returncode

    def shown(made):
        return "+tls", made[1], made[0]

    for proof in (
        shown(authority.certificate("expired", (-9, -2))),
        shown(authority.certificate("early", (2, 9))),
        shown(other.certificate("foreign")),
        ("+tla",),  # none at all
    ):
        assert echo(*proof) != 0, proof
    assert echo(*shown(authority.certificate("modality"))) == 0


def test_a_peer_that_tls_keeps_away_says_whose_certificate_it_is(dicom_with, tmp_path):
    authority = Authority(tmp_path)
    files, trust = authority.certificate("server", (-9, -2)), str(authority.path)
    served, key = (str(each) for each in files)
    other = dicom_with(
        data=tmp_path / "other", dicom_tls_certificate=served, dicom_tls_key=key, dicom_tls_clients=trust
    )
    peers = tmp_path / "peers.toml"
    entry = f'[[peer]]\nae_title = "{TITLE}"\nhost = "127.0.0.1"\nport = {other.port}\ntls = true\n'
    peers.write_text(entry)
    own, own_key = (str(each) for each in authority.certificate("own", (-9, -2)))
    dicom = dicom_with(
        dicom_peers=str(peers), dicom_tls_certificate=own, dicom_tls_key=own_key, dicom_tls_clients=trust
    )
    peer = dicom.context.configuration.peers().named(TITLE)
    with pytest.raises(NoAssociation, match="its certificate is refused here"):
        services.echo(dicom.context, peer)
    authority.certificate("server")
    with pytest.raises(NoAssociation, match="refused the handshake or this archive's certificate"):
        services.echo(dicom.context, peer)
    authority.certificate("own")
    assert services.echo(dicom.context, peer) > 0


def test_a_renewed_certificate_counts_without_a_restart(dicom_with, tmp_path):
    authority = Authority(tmp_path)
    served, key = (str(each) for each in authority.certificate("server", (-9, -2)))
    dicom = dicom_with(dicom_tls_certificate=served, dicom_tls_key=key)

    def echo():
        return dicom.tool("echoscu", "+tla", "+cf", authority.path).returncode

    assert echo() != 0  # it is expired
    authority.certificate("server")
    assert echo() == 0
    (tmp_path / "server.key").write_text("no key")
    assert echo() == 0
