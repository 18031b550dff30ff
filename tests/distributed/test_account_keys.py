"""The key that seals accounts is changed step by step, and every machine reads them after each."""

import json
import shutil
from pathlib import Path

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.emergencies import Emergency
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.encryption.sealing import Sealing
from fhir_server.security.model import User
from fhir_server.security.store.mongo import MongoAccounts, MongoEmergencies
from tests.conftest import HeldClock
from tests.distributed.conftest import Stores
from tests.system.process import hms

pytestmark = pytest.mark.anyio

DOC = User(id="u1", name="Doc", password="hash", roles=("physician",), totp="SECRET")
EMERGENCY = Emergency(
    id="e", user="u1", client="app", fhir_user="Practitioner/d", reason="stroke", begun=1, until=2**60
)


async def test_a_new_key_seals_once_every_machine_has_it(stores: Stores, tmp_path: Path) -> None:
    here, there, lost = (tmp_path / f"{name}.json" for name in ("here", "there", "lost"))
    add_key(here)
    shutil.copy(here, lost)
    database = await stores.database()
    first = Sealing(here)
    await MongoAccounts(database.database, first, HeldClock()).put_user(DOC)
    assert await MongoEmergencies(database.database, first, HeldClock()).begin(EMERGENCY)
    await database.database["audit_rows"].insert_many(
        [{"_id": "m-1", "events": first.seal(b"[1]", "audit m-1")}, {"_id": "m-2", "events": b'["in the open"]'}]
    )
    unsealed = b'\0\0\0\0[1,"a:b"]'
    await database.notes.insert_many([{"data": first.seal(b"noted", "note")}, {"data": unsealed}])
    config = tmp_path / "hms.toml"
    settings = {"mongodb_url": stores.url, "mongodb_database": stores.name, "account_keys": str(here)}
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))

    for said in ("has the next key", "4 of them anew", "1 older keys are gone, 1 accounts"):
        shutil.copy(here, there)  # the other machine still has the file of the step before
        assert said in hms("keys", "rotate", "--config", config, "--data", tmp_path / "data")
        other = Sealing(there)
        accounts = MongoAccounts(database.database, other, HeldClock())
        assert await accounts.user("u1") == DOC
        assert await MongoEmergencies(database.database, other, HeldClock()).now("u1", "app") == EMERGENCY
        await accounts.put_user(msgspec.structs.replace(DOC, name="Doc"))
    assert len(json.loads(here.read_text())["keys"]) == 1
    row = await database.database["audit_rows"].find_one({"_id": "m-1"})
    assert row is not None and Sealing(here).open(bytes(row["events"]), "audit m-1") == b"[1]"
    notes = [bytes(each["data"]) for each in await database.notes.find().to_list()]
    assert notes[1] == unsealed and Sealing(here).open(notes[0], "note") == b"noted"
    with pytest.raises(FhirError, match="not in"):
        await MongoAccounts(database.database, Sealing(lost), HeldClock()).user("u1")
    await database.close()
