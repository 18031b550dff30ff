"""What problems, orders, treatments and who is behind them ask for beyond their fields."""

from __future__ import annotations

from mappings.hl7v2.content import choices, has_content, stated, suppose
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.tables import Tables


def finish_condition(draft: Draft, node: Node, tables: Tables) -> None:
    """Its status by the event, and con-4 and con-5."""
    if draft.event == "PC3":
        verification = Element("CodeableConcept")
        coding = Element("Coding")
        coding.items = {
            "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
            "code": "entered-in-error",
        }
        verification.put("coding", coding, True)
        node.put("verificationStatus", verification)
    if "verificationStatus" in node.items:
        for name in choices(node, "abatement"):  # con-4 and con-5: what was entered in error was never abated
            del node.items[name]
    if choices(node, "abatement") and "clinicalStatus" not in node.items and "verificationStatus" not in node.items:
        status = Element("CodeableConcept")  # con-4: what is abated is not active
        coding = Element("Coding")
        coding.items = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
        status.put("coding", coding, True)
        node.put("clinicalStatus", status)


def finish_allergy(draft: Draft, node: Node, tables: Tables) -> None:
    """ait-2, and reactions that have a manifestation."""
    if "verificationStatus" in node.items:  # ait-2: what was entered in error has no clinical status
        node.items.pop("clinicalStatus", None)
    reactions = node.items.get("reaction")
    if isinstance(reactions, dict):
        for one, reaction in list(reactions.items()):
            if not reaction.values("manifestation"):
                del reactions[one]


def finish_service(draft: Draft, node: Node, tables: Tables) -> None:
    """A referral that is cancelled is revoked."""
    if draft.event == "I14":
        node.put("status", "revoked")


def finish_immunization(draft: Draft, node: Node, tables: Tables) -> None:
    """An occurrence, and performers that are known; what was given after all has no reason why not."""
    if node.items.get("status") == "completed" and "statusReason" not in node.items:
        node.notes.setdefault("removals", []).append((("statusReason",), {}, "RXA"))
    if not stated(node, "occurrence"):
        suppose(node, "occurrenceString", "unknown")
    for performer in node.values("performer"):
        if isinstance(performer, Element) and not (
            isinstance(performer.get("actor"), Node) and performer.get("actor").items
        ):
            node.items["performer"] = {
                one: value
                for one, value in node.items["performer"].items()
                if isinstance(value.get("actor"), Node) and value.get("actor").items
            }
            break
    quantity = node.items.get("doseQuantity")
    if isinstance(quantity, Element) and "value" not in quantity.items:
        del node.items["doseQuantity"]


def finish_administration(draft: Draft, node: Node, tables: Tables) -> None:
    """When it was given, and mad-1."""
    if not stated(node, "effective"):
        if not draft.sent:
            draft.issues.append("ERROR RXA-3 is required: neither it nor MSH-7 tells when the medicine was given.")
            return
        suppose(node, "effectiveDateTime", draft.sent)
    dosage = node.items.get("dosage")
    if isinstance(dosage, Element):
        dose = dosage.items.get("dose")
        if isinstance(dose, Element) and "value" not in dose.items:
            del dosage.items["dose"]
        if not any(name in dosage.items for name in ("dose", "rateRatio", "rateQuantity")):
            del node.items["dosage"]  # mad-1: a dosage has a dose or a rate


def finish_procedure(draft: Draft, node: Node, tables: Tables) -> None:
    """Performers that are known."""
    performers = node.items.get("performer")
    if isinstance(performers, dict):
        for one, performer in list(performers.items()):
            actor = performer.items.get("actor")
            if actor is None or not has_content(actor):
                del performers[one]


def finish_provenance(draft: Draft, node: Node, tables: Tables) -> None:
    """Agents that are known."""
    agents = node.items.get("agent")
    if isinstance(agents, dict):
        for one, agent in list(agents.items()):
            if not has_content(agent.items.get("who")) or "who" not in agent.items:
                del agents[one]
