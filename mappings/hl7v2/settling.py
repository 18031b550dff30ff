"""A draft set against what the store has: which resource is meant, what changes, and the entries that do it."""

from __future__ import annotations

import asyncio
import copy
import datetime
from typing import Any

from fhir_server.core.errors import error
from mappings.hl7v2.charges import credit, stay_credited
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.identifiers import BY_ID, KEY, key, own_identities, token, url_of
from mappings.hl7v2.linking import link_patients
from mappings.hl7v2.links import PATIENT
from mappings.hl7v2.masters import ABOUT
from mappings.hl7v2.merges import Merge
from mappings.hl7v2.merging import drop_supposed, is_older, keep_participants, merge, snapshot_of, stamp
from mappings.hl7v2.moving import Named, patients_of, update_of, way_to_survivor
from mappings.hl7v2.reader import Reader
from mappings.hl7v2.relatives import end_others
from mappings.hl7v2.resources import as_resource, identities_of
from mappings.hl7v2.translation import Translation

# Made where they are missing and left alone where they are: a message speaks of them in passing.
IN_PASSING = ("Practitioner", "Organization", "Location", "Device")
MOVING = ("Encounter", "Account")  # A44 and A45 give them to another patient
# Written after what they refer to, so that a store need not keep places for what is not there yet.
GATHERING = ("DiagnosticReport",)
MOVED = "What was another patient's is this patient's from now on:"
AHEAD = datetime.timedelta(days=1)  # that a sender's clock, or its zone, may be before ours
SERVED = 3  # slashes of an identity with order, service, code and sub-identifier
PAUSE_EVERY = 50  # resources between two chances for others
BRINGS = ("ADT", "VXU", "BAR", "PPR", "REF")  # messages that introduce their patients
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


class Settling:
    """Sets a draft against what the store has."""

    def __init__(self, made: Draft, reader: Reader, now: datetime.datetime) -> None:
        self.draft = made
        self.reader = reader
        self.now = now
        self.entries: list[dict[str, Any]] = []
        self.issues = [one for one in dict.fromkeys(made.issues) if not one.startswith("ERROR ")]
        if is_older((now + AHEAD).isoformat(), made.sent):  # newer messages would change nothing until then
            self.issues.append(f"MSH-7: {made.sent} is in the future; the message is taken as one that states no time.")
            made.sent = ""
        self.errors = [one.removeprefix("ERROR ") for one in dict.fromkeys(made.issues) if one.startswith("ERROR ")]
        self.found: dict[str, dict[tuple[Any, Any], dict[str, dict[str, Any]]]] = {}  # by type, identity and id
        self.current: dict[int, dict[str, Any]] = {}
        self.unknown: list[tuple[str, str]] = []
        self.kept: set[int] = set()  # binaries that are there already
        self.visits: list[Named] = []  # visits and accounts that stay as they are, with whose they are

    async def settle(self, merges: list[Merge]) -> Translation:
        """The translation."""
        await self._read()
        for one in merges:
            if id(one.survivor) not in self.current and (patient := await one.known_as(self.reader)):
                self.current[id(one.survivor)] = patient
                one.survivor.url = f"Patient/{patient['id']}"
        self._orders()
        self._parents()
        await self._documents()
        for count, node in enumerate(self.draft.nodes):
            if node.type != "Provenance":
                self._entry(node)
            if count % PAUSE_EVERY == PAUSE_EVERY - 1:
                await asyncio.sleep(0)
        _join(self.entries)
        new = [one for one in self.draft.of("ChargeItem") if "credits" in one.notes and id(one) not in self.current]
        credits = [(one.notes["credits"], one.url) for one in new]
        await credit(credits, self.entries, self.reader, self.issues, self.errors)
        patients = [self.current[id(one)] for one in self.draft.of("Patient") if id(one) in self.current]
        self.entries += await end_others(self.draft, patients, self.reader)
        link_patients(self.draft, self.current, self.entries)
        ended: list[Named] = []
        for one in merges:
            kept = self.current.get(id(one.survivor))
            ended += await one.complete(self.reader, self.entries, kept, self.draft.sent, self.issues)
        self.entries.sort(key=lambda entry: entry.get("resource", {}).get("resourceType") in GATHERING)
        self._provenance()
        structure, kind = self.draft.structure, self.draft.message.type
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": self.entries} if self.entries else None
        named = [*self._referred_to(), *ended] if bundle else []
        return Translation(
            bundle, self.issues, self.errors, self.draft.traced, structure, kind in BRINGS, self.unknown, named
        )

    def _referred_to(self) -> list[Named]:
        """The patients, visits and accounts of the message whose version the transaction does not state, as it does
        not change them."""
        stated = {entry["fullUrl"] for entry in self.entries}
        known = [Named(node.url) for node in self.draft.of("Patient") if id(node) in self.current]
        return [one for one in (*known, *self.visits) if (one.visit or one.patient) not in stated]

    async def _read(self) -> None:
        """The current resources of the draft's identities, in one look; merged patients as their survivors."""
        drafted: dict[str, list[Node]] = {}
        for node in self.draft.nodes:
            if node.type == "Binary":
                reference = f"Binary/{node.url.removeprefix('urn:uuid:')}"
                if await self.reader.read(reference) is not None:
                    self.kept.add(id(node))
                    node.url = reference
            elif node.type not in BY_ID:
                drafted.setdefault(node.type, []).append(node)
        await self._find(drafted)
        for type_name, nodes in drafted.items():
            by_identity = self.found.get(type_name, {})
            for node in nodes if by_identity or type_name == "Patient" else ():
                matched: dict[str, dict[str, Any]] = {}
                for identity in node.criteria:
                    matched |= by_identity.get(identity, {})
                matches = [one for one in matched.values() if not _of_another_service(node, one)]
                if type_name == "Patient":
                    matches = await self._survivors(matches)
                    if not matches:
                        self.unknown.append(node.criteria[0])
                if len(matches) > 1:
                    first = [one for one in matches if node.criteria[0] in identities_of(one)]
                    if len(first) != 1:
                        raise _ambiguous(node, matches)
                    if type_name == "Patient":
                        self.issues.append(
                            f"The identifiers of the patient belong to {len(matches)} patients; the first, "
                            f"{node.criteria[0][1]}, is taken."
                        )
                    matches = first
                if matches:
                    self.current[id(node)] = matches[0]
                    node.url = f"{type_name}/{matches[0]['id']}"

    async def _find(self, drafted: dict[str, list[Node]]) -> None:
        """Asks for what has an identity of the draft, and for the orders of its reports."""
        wanted = {type_name: [one for node in nodes for one in node.criteria] for type_name, nodes in drafted.items()}
        for node in drafted.get("DiagnosticReport", ()):
            wanted.setdefault("ServiceRequest", []).extend(_order_numbers(node))
        for node in drafted.get("Observation", ()):
            if "parent" in node.notes and node.notes["parent"] not in wanted["Observation"]:
                wanted["Observation"].append(node.notes["parent"])
        for resource in await self.reader.find(wanted) if wanted else ():
            of_type = self.found.setdefault(resource["resourceType"], {})
            for identity in identities_of(resource):
                of_type.setdefault(identity, {})[resource["id"]] = resource

    def _orders(self) -> None:
        """Reports refer to their orders: to the resource where it is known, else by the placer's number."""
        known = self.found.get("ServiceRequest", {})
        for node in self.draft.nodes:
            if node.type != "DiagnosticReport" or "basedOn" in node.items:
                continue
            orders = {order for number in _order_numbers(node) for order in known.get(number, ())}
            reference = Element("Reference")
            if len(orders) == 1:
                reference.put("reference", f"ServiceRequest/{orders.pop()}")
            elif placer := node.get("identifier", True, ("ORC", "1", 1, 1)) or node.get(
                "identifier", True, ("OBR", "1", 1, 1)
            ):
                reference.items = {"type": "ServiceRequest", "identifier": placer}
            if reference.items:
                node.put("basedOn", reference, True, "order")

    def _parents(self) -> None:
        """What results are derived from: by the resource where it is known, else by the identity that it would have."""
        known = self.found.get("Observation", {})
        for node in self.draft.of("Observation"):
            if (identity := node.notes.get("parent")) is None:
                continue
            found = known.get(identity, {})
            reference = Element("Reference")
            if len(found) == 1:
                reference.put("reference", f"Observation/{next(iter(found))}")
            else:
                reference.items = {"type": "Observation", "identifier": Element("Identifier")}
                reference.items["identifier"].items = {"system": identity[0], "value": identity[1]}
            node.put("derivedFrom", reference, True, "parent")

    async def _documents(self) -> None:
        """What a document adds to or takes the place of: by its resource where it is known, else by its number."""
        for node in self.draft.of("DocumentReference"):
            code, identity = node.notes.get("relates", ("", None))
            if identity is None:
                continue
            found = await self.reader.find({"DocumentReference": [identity]})
            reference = Element("Reference")
            if len(found) == 1:
                reference.put("reference", f"DocumentReference/{found[0]['id']}")
                if reference.get("reference") == node.url:
                    continue
                if code == "replaces" and found[0].get("status") == "current":
                    self._supersede(found[0])
            else:
                reference.items = {"type": "DocumentReference", "identifier": Element("Identifier")}
                reference.items["identifier"].items = {"system": identity[0], "value": identity[1]}
            relation = Element("DocumentReference.relatesTo")
            relation.items = {"code": code, "target": reference}
            node.put("relatesTo", relation, True, "parent")

    def _supersede(self, document: dict[str, Any]) -> None:
        url = f"DocumentReference/{document['id']}"
        request = {"method": "PUT", "url": url}
        if version := document.get("meta", {}).get("versionId"):
            request["ifMatch"] = f'W/"{version}"'
        self.entries.append({"fullUrl": url, "resource": {**document, "status": "superseded"}, "request": request})

    async def _survivors(self, matches: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Patients that were merged into others, as those others."""
        found = [(await way_to_survivor(self.reader, one))[-1] for one in matches]
        return list({one["id"]: one for one in found}.values())

    def _entry(self, node: Node) -> None:
        resource = as_resource(node, self.draft.contains)
        if "left_out" in node.notes:
            self.issues.extend(one for one in node.notes["left_out"] if one not in self.issues)
        system, value = node.criteria[0]
        current = self.current.get(id(node))
        in_passing = node.type in IN_PASSING and ABOUT not in node.notes
        if current is not None and in_passing:
            return
        if current is not None:
            if is_older(self.draft.sent, snapshot_of(current)):
                self.issues.append(
                    f"{node.type} {value}: the message of {self.draft.sent} is older than what is kept"
                    f" ({snapshot_of(current)}); it changes nothing."
                )
                self._note_visit(node, resource)
                self._add_results(current, resource)
                return
            comes_back = "comes_back" in node.notes or node.type == "RelatedPerson"
            if comes_back and current.get("active") is False:  # who was deleted (A29) or left out is there again
                resource["active"] = True
            drop_supposed(resource, current, node.notes)
            if unstated := node.notes.get("unstated"):
                keep_participants(resource, current, unstated)
            if node.type == "ChargeItem":
                stay_credited(resource, current, self.issues)
            if self.draft.message.type != "ADT":  # which moves visits from one patient to another
                self._tell_of_another_patient(node.type, value, current, resource)
            merged = merge(current, resource, node.notes.get("removals", []))
            _schedule(merged)
            _retract(merged)
            if _same(merged, current):
                self._note_visit(node, resource)
                return
            stamp(merged, self.draft.sent)
            request = {"method": "PUT", "url": node.url}
            if version := current.get("meta", {}).get("versionId"):
                request["ifMatch"] = f'W/"{version}"'
            self.entries.append({"fullUrl": node.url, "resource": merged, "request": request})
            return
        if node.type in BY_ID:
            if id(node) in self.kept:
                return
            resource["id"] = node.url.removeprefix("urn:uuid:")
            self.entries.append(
                {
                    "fullUrl": node.url,
                    "resource": resource,
                    "request": {"method": "PUT", "url": f"{node.type}/{resource['id']}"},
                }
            )
            return
        criteria = f"identifier={token(system)}|{token(value)}"
        if in_passing:
            request = {"method": "POST", "url": node.type, "ifNoneExist": criteria}
        else:
            stamp(resource, self.draft.sent)
            _schedule(resource)
            _retract(resource)
            request = {"method": "PUT", "url": f"{node.type}?{criteria}"}
        self.entries.append({"fullUrl": node.url, "resource": resource, "request": request})

    def _add_results(self, current: dict[str, Any], said: dict[str, Any]) -> None:
        """An older message of a report adds the results that it alone has, as it would have in its turn."""
        kept = current.get("result", [])
        if added := [one for one in said.get("result", ()) if one not in kept]:
            self.entries.append(update_of({**current, "result": [*kept, *added]}))

    def _note_visit(self, node: Node, said: dict[str, Any]) -> None:
        """A visit or an account that stays as it is, with whose the message says that it is."""
        if node.type in MOVING:
            self.visits += [Named(patient, node.url) for patient in patients_of(said) if patient]

    def _tell_of_another_patient(
        self, type_name: str, number: str, current: dict[str, Any], resource: dict[str, Any]
    ) -> None:
        """A warning where a number that was one patient's is used for another: a mistake, or its correction."""
        name = PATIENT.get(type_name, "")
        before, after = (one.get(name) for one in (current, resource))
        if not isinstance(before, dict) or not isinstance(after, dict) or before.get("reference") == after["reference"]:
            return
        if not any(one.startswith(MOVED) for one in self.issues):
            self.issues.append(f"{MOVED} {type_name} {number} was of {before.get('reference')}.")

    def _provenance(self) -> None:
        """One Provenance that links every resource to the message."""
        if not self.entries:
            return
        nodes = self.draft.of("Provenance")
        node, others = (nodes[0] if nodes else None), nodes[1:]
        header = self.draft.header
        resource: dict[str, Any] = as_resource(node) if node is not None else {"resourceType": "Provenance"}
        for other in others:  # each order's own: who entered it, who verified it
            said = as_resource(other)
            for name in ("agent", "contained"):
                if name in said:
                    known = resource.setdefault(name, [])
                    known.extend(one for one in said[name] if one not in known)
        resource["id"] = (node.url if node is not None else _message_url(self.draft)).removeprefix("urn:uuid:")
        resource["target"] = [{"reference": entry["fullUrl"]} for entry in self.entries]
        resource["recorded"] = self.now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if "occurredDateTime" not in resource and self.draft.sent:
            resource["occurredDateTime"] = self.draft.sent
        author: dict[str, Any] = {
            "type": {"coding": [{"system": PARTICIPANT, "code": "author"}]},
            "who": {"display": "|".join(one for one in (header.value(3), header.value(4)) if one) or "unknown sender"},
        }
        resource["agent"] = [*resource.get("agent", ()), author]
        number = header.value(10)
        what: dict[str, Any] = {"identifier": {"system": "urn:hl7-org:v2:MSH-10", "value": number}} if number else {}
        display = f"{self.draft.message.type}^{self.draft.event} {number}".strip()
        resource["entity"] = [{"role": "source", "what": {**what, "display": display}}]
        self.entries.append(
            {
                "fullUrl": f"urn:uuid:{resource['id']}",
                "resource": resource,
                "request": {"method": "PUT", "url": f"Provenance/{resource['id']}"},
            }
        )


def _of_another_service(node: Node, found: dict[str, Any]) -> bool:
    """Whether a result is of another service (OBR-4) of the order: it shares the second of two identities only, by
    which results are found that were kept when that was the only one."""
    if node.type != "Observation" or len(node.criteria) < 2 or node.criteria[0] in (theirs := identities_of(found)):
        return False
    return any(system == node.criteria[0][0] and value.count("/") == SERVED for system, value in theirs)


def _order_numbers(report: Node) -> list[tuple[str, str]]:
    """The placer and filler numbers of a report that states no order."""
    if "basedOn" in report.items:
        return []
    return [one for one in own_identities(report) if not one[0].startswith(KEY)]


def _schedule(resource: dict[str, Any]) -> None:
    """app-2, app-3: an appointment has a start and an end, or it is proposed or cancelled."""
    if resource["resourceType"] != "Appointment":
        return
    start, end = resource.get("start"), resource.get("end")
    if start and end and start < end:
        return
    resource.pop("end", None)
    resource.pop("start", None)
    if resource.get("status") not in ("proposed", "cancelled", "waitlist"):
        over = resource.get("status") in ("entered-in-error", "noshow")
        resource["status"] = "cancelled" if over else "proposed"


def _retract(resource: dict[str, Any]) -> None:
    """ait-2, con-5: what was entered in error has no clinical status."""
    if "verificationStatus" in resource:
        codings = resource["verificationStatus"].get("coding", ())
        if any(coding.get("code") == "entered-in-error" for coding in codings):
            resource.pop("clinicalStatus", None)


def _same(merged: dict[str, Any], current: dict[str, Any]) -> bool:
    def bare(resource: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in resource.items() if name not in ("meta", "text")}

    return bare(merged) == bare(current)


def _join(entries: list[dict[str, Any]]) -> None:
    """Two entries for one resource become one."""
    seen: dict[str, dict[str, Any]] = {}
    for entry in list(entries):
        first = seen.setdefault(entry["request"]["url"], entry)
        if first is not entry and entry["request"]["method"] == "PUT":
            first["resource"] = {**first["resource"], **copy.copy(entry["resource"])}
            entries.remove(entry)


def _ambiguous(node: Node, matches: list[dict[str, Any]]) -> Exception:
    ids = ", ".join(f"{node.type}/{one['id']}" for one in matches[:5])
    value = node.criteria[0][1] if not node.criteria[0][0].startswith(KEY) else "of this message"
    return error(
        "unprocessable",
        f"The identifier {value} belongs to more than one {node.type} ({ids}); merge them, then replay the message.",
        code="multiple-matches",
    )


def _message_url(made: Draft) -> str:
    node = Node("Provenance")
    header = made.header
    node.criteria = [key("Provenance", header.value(3), header.value(4), header.value(10))]
    return url_of(node)
