"""The URLs and codes by which the workforce says in FHIR what R4 has no element for (docs/how-to/workforce.md)."""

BASE = "urn:ultimate-hms:workforce"
TASK = f"{BASE}:task"  # identifier system of the Tasks that it makes
LABEL = f"{BASE}:label"  # tag system; BLOCKED on a Practitioner who may not work or order
BLOCKED = "blocked"
SHIFT_KIND = f"{BASE}:shift-kind"  # code system of Slot.serviceType: D, E, N or a site's own
KIND = f"{BASE}:kind"  # code system of Basic.code and Task.code
TIME_ENTRY = "time-entry"

WEEKLY_HOURS = f"{BASE}:weekly-hours"  # on PractitionerRole, decimal
RATE = f"{BASE}:hourly-rate"  # on PractitionerRole, Money
PREFERENCE = f"{BASE}:shift-preference"  # on PractitionerRole: shift (code), weight (integer; below 0 is a dislike)
NEEDED = f"{BASE}:needed"  # on a ward's Slot, integer: how many people
NEEDED_SKILL = f"{BASE}:needed-skill"  # on a ward's Slot: skill (code), number (integer)
SHIFT = f"{BASE}:shift"  # on a person's Slot: the ward's Slot that is worked
OVERRIDE = f"{BASE}:override"  # on a person's Slot, string: why a rule was overridden
ROTA = f"{BASE}:rota"  # on a ward's Schedule, code: proposed or published
WORKED = f"{BASE}:worked"  # on Basic, Period
