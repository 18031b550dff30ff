#!/usr/bin/env python3
"""fhirload: load and measure any FHIR R4 REST server.

    fhirload.py BASE [--patients 1000] [--phases load,check,...] [--pids 12,34]
                     [--disk DIR] [--state F] [--out result.json]

1. load    deterministic synthetic records, one transaction bundle a patient
           (Patient, Encounter, Observation, Condition, MedicationRequest,
           about 50 resources, urn:uuid references)
2. check   fixed searches whose right totals the generator knows
3. phases  closed loop of -c connections for --seconds each: req/s, p50/p95/p99,
           server CPU ms per request

Only standard FHIR is used; the id of every loaded resource is taken from the
transaction response (Bundle.entry.response.location) and kept in --state, so
that phases can run later without loading again.  Needs aiohttp; uses orjson
and uvloop if present.
"""

import argparse
import asyncio
import collections
import datetime as dt
import json
import os
import random
import re
import subprocess
import sys
import time
import uuid
from urllib.parse import quote

import aiohttp

try:
    import orjson

    dumps, loads = orjson.dumps, orjson.loads
except ImportError:
    dumps, loads = (lambda o: json.dumps(o, separators=(",", ":")).encode()), json.loads

LOINC, SCT, RXN, UCUM = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://unitsofmeasure.org",
)
MRN = "http://example.org/fhir/mrn"
FAMILY = (
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez "
    "Gonzalez Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris "
    "Sanchez Clark Ramirez Lewis Robinson Walker Young Allen King Wright Scott Torres Nguyen Hill "
    "Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell Carter Roberts"
).split()
GIVEN = (
    "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard "
    "Susan Joseph Jessica Thomas Sarah Charles Karen Daniel Nancy Matthew Lisa Anthony Betty Mark "
    "Margaret Donald Sandra Steven Ashley Paul Kimberly Andrew Emily Joshua Donna Kenneth Michelle"
).split()
CITY = "Boston Springfield Worcester Lowell Cambridge Quincy Newton Salem Medford Malden".split()
VITALS = [
    ("8867-4", "Heart rate", 75, 12, "/min"),
    ("8310-5", "Body temperature", 36.9, 0.5, "Cel"),
    ("9279-1", "Respiratory rate", 16, 3, "/min"),
    ("2708-6", "Oxygen saturation", 97, 1.5, "%"),
    ("29463-7", "Body weight", 78, 15, "kg"),
    ("39156-5", "Body mass index", 27, 5, "kg/m2"),
]
LABS = [
    ("4548-4", "Hemoglobin A1c", 5.8, 1.0, "%"),
    ("2339-0", "Glucose", 100, 20, "mg/dL"),
    ("2093-3", "Cholesterol", 185, 30, "mg/dL"),
]
CONDS = [
    ("44054006", "Diabetes mellitus type 2"),
    ("38341003", "Hypertensive disorder"),
    ("195967001", "Asthma"),
    ("55822004", "Hyperlipidemia"),
    ("444814009", "Viral sinusitis"),
    ("195662009", "Acute viral pharyngitis"),
    ("10509002", "Acute bronchitis"),
    ("271737000", "Anemia"),
]
MEDS = [
    ("860975", "metformin 500 MG"),
    ("314076", "lisinopril 10 MG"),
    ("259255", "atorvastatin 80 MG"),
    ("313782", "acetaminophen 325 MG"),
    ("308182", "amoxicillin 250 MG"),
    ("245134", "albuterol 0.09 MG"),
]


def cc(system, code, text):
    return {"coding": [{"system": system, "code": code, "display": text}], "text": text}


def make_patient(i, rng):
    fam, giv = rng.choice(FAMILY), rng.choice(GIVEN)
    return {
        "resourceType": "Patient",
        "identifier": [
            {"system": MRN, "value": f"MRN{i:07d}"},
            {"system": "http://hl7.org/fhir/sid/us-ssn", "value": f"999-{i // 10000:02d}-{i % 10000:04d}"},
        ],
        "active": True,
        "name": [{"use": "official", "family": fam, "given": [giv, rng.choice(GIVEN)]}],
        "telecom": [{"system": "phone", "value": f"555-{rng.randrange(10**7):07d}", "use": "home"}],
        "gender": rng.choice(["male", "female"]),
        "birthDate": (dt.date(1935, 1, 1) + dt.timedelta(days=rng.randrange(30000))).isoformat(),
        "address": [
            {
                "line": [f"{rng.randrange(1, 999)} Main Street"],
                "city": rng.choice(CITY),
                "state": "MA",
                "postalCode": f"0{rng.randrange(1000, 2800)}",
                "country": "US",
            }
        ],
    }


def make_obs(rng, subject, when, spec, cat="vital-signs", encounter=None):
    code, text, mean, sd, unit = spec
    o = {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": cat}]}
        ],
        "code": cc(LOINC, code, text),
        "subject": {"reference": subject},
        "effectiveDateTime": when,
        "issued": when,
        "valueQuantity": {"value": round(rng.gauss(mean, sd), 1), "unit": unit, "system": UCUM, "code": unit},
    }
    if encounter:
        o["encounter"] = {"reference": encounter}
    return o


def make_record(i, seed=42):
    """List of (fullUrl, resource) for patient i; the first is the Patient."""
    rng = random.Random(seed * 1_000_003 + i)
    urn = lambda: "urn:uuid:" + str(uuid.UUID(int=rng.getrandbits(128), version=4))
    pu = urn()
    out = [(pu, make_patient(i, rng))]
    for _ in range(rng.randint(3, 7)):
        eu = urn()
        t0 = dt.datetime(2015, 1, 1) + dt.timedelta(minutes=rng.randrange(10 * 525600))
        iso = lambda m: (t0 + dt.timedelta(minutes=m)).strftime("%Y-%m-%dT%H:%M:00Z")
        out.append(
            (
                eu,
                {
                    "resourceType": "Encounter",
                    "status": "finished",
                    "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                    "type": [cc(SCT, "185349003", "Encounter for check up")],
                    "subject": {"reference": pu},
                    "period": {"start": iso(0), "end": iso(30)},
                },
            )
        )
        for v in VITALS:
            out.append((urn(), make_obs(rng, pu, iso(5), v, encounter=eu)))
        bp = make_obs(rng, pu, iso(6), ("85354-9", "Blood pressure panel", 0, 0, ""), encounter=eu)
        del bp["valueQuantity"]
        bp["component"] = [
            {
                "code": cc(LOINC, c, t),
                "valueQuantity": {"value": rng.randint(*r), "unit": "mmHg", "system": UCUM, "code": "mm[Hg]"},
            }
            for c, t, r in (("8480-6", "Systolic", (95, 165)), ("8462-4", "Diastolic", (55, 105)))
        ]
        out.append((urn(), bp))
        if rng.random() < 0.3:
            for v in LABS:
                out.append((urn(), make_obs(rng, pu, iso(20), v, "laboratory", eu)))
        for _ in range(rng.randint(0, 2)):
            c = rng.choice(CONDS)
            st = "http://terminology.hl7.org/CodeSystem/condition-"
            out.append(
                (
                    urn(),
                    {
                        "resourceType": "Condition",
                        "clinicalStatus": {
                            "coding": [{"system": st + "clinical", "code": rng.choice(["active", "resolved"])}]
                        },
                        "verificationStatus": {"coding": [{"system": st + "ver-status", "code": "confirmed"}]},
                        "code": cc(SCT, *c),
                        "subject": {"reference": pu},
                        "encounter": {"reference": eu},
                        "onsetDateTime": iso(0),
                        "recordedDate": iso(10),
                    },
                )
            )
        if rng.random() < 0.8:
            out.append(
                (
                    urn(),
                    {
                        "resourceType": "MedicationRequest",
                        "status": rng.choice(["active", "completed", "stopped"]),
                        "intent": "order",
                        "medicationCodeableConcept": cc(RXN, *rng.choice(MEDS)),
                        "subject": {"reference": pu},
                        "encounter": {"reference": eu},
                        "authoredOn": iso(15),
                        "dosageInstruction": [{"text": "1 tablet daily"}],
                    },
                )
            )
    return out


def bundle(record):
    return dumps(
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {"fullUrl": u, "resource": r, "request": {"method": "POST", "url": r["resourceType"]}}
                for u, r in record
            ],
        }
    )


# ---------------------------------------------------------------- process measures
def tree(pids):
    kids = collections.defaultdict(list)
    for p in filter(str.isdigit, os.listdir("/proc")):
        try:
            kids[int(open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()[1])].append(int(p))
        except OSError:
            pass
    todo, seen = list(pids), []
    while todo:
        p = todo.pop()
        if p not in seen:
            seen.append(p)
            todo += kids[p]
    return seen


def cpu_s(pids):
    """CPU seconds of each process with its (also reaped) children."""
    found = []
    for pid in pids:
        t = 0
        for p in tree([pid]):
            try:
                f = open(f"/proc/{p}/stat").read().rsplit(")", 1)[1].split()
                t += int(f[11]) + int(f[12]) + (int(f[13]) + int(f[14]) if p == pid else 0)
            except OSError:
                pass
        found.append(t / os.sysconf("SC_CLK_TCK"))
    return found


def cpu_ms(pids, before, n, digits=2):
    """CPU milliseconds since then for one of n: of all processes together, and of each in the order of pids."""
    each = [(now - then) * 1000 / max(1, n) for now, then in zip(cpu_s(pids), before)]
    return round(sum(each), digits), [round(ms, digits) for ms in each]


def mem_mb(pids):
    """Proportional resident memory (PSS: shared pages are counted once)."""
    kb = 0
    for p in tree(pids):
        try:
            kb += int(re.search(r"^Pss:\s+(\d+)", open(f"/proc/{p}/smaps_rollup").read(), re.M)[1])
        except (OSError, TypeError):
            pass
    return round(kb / 1024)


def disk_mb(paths):
    return {
        p: int(subprocess.run(["du", "-sk", p], capture_output=True, text=True).stdout.split()[0]) // 1024
        for p in paths
        if os.path.exists(p)
    }


# ---------------------------------------------------------------- client
class Client:
    def __init__(self, base, conns, headers):
        self.base, self.conns = base.rstrip("/"), conns
        self.headers = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json", **headers}

    async def __aenter__(self):
        self.s = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.conns),
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=120),
        )
        return self

    async def __aexit__(self, *_):
        await self.s.close()

    async def call(self, method, url, body=None, headers=None):
        url = url if url.startswith("http") else f"{self.base}/{url}"
        from yarl import URL

        async with self.s.request(method, URL(url, encoded=True), data=body, headers=headers) as r:
            return r.status, await r.read(), r.headers


def pct(a, q):
    return round(a[min(len(a) - 1, int(len(a) * q))] * 1000, 1) if a else None


async def closed_loop(cl, gen, conns, seconds, warmup, pids, least=0, cap=10**9):
    """gen() -> (method, url, body, headers); runs conns workers; returns figures."""
    lat, codes, size, sample, errors = [], collections.Counter(), 0, None, []
    start = time.perf_counter() + warmup
    stop, n, cpu0, own0, t_end = start + seconds, 0, None, None, start

    async def worker():
        nonlocal size, sample, n, cpu0, own0, t_end
        # a slow server may have nothing counted by then: go on for one request a connection, or the least
        while ((t0 := time.perf_counter()) < stop or (n < max(conns, least) and t0 < stop + 60)) and n < cap:
            counted = t0 >= start
            if counted and cpu0 is None:
                cpu0, own0 = cpu_s(pids), time.process_time()
            n += counted
            try:
                st, data, _ = await cl.call(*gen())
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as e:
                st, data = type(e).__name__, repr(e).encode()
            if not counted:
                continue
            t_end = time.perf_counter()
            lat.append(t_end - t0)
            codes[str(st)] += 1
            size += len(data)
            if isinstance(st, int) and st < 400:
                sample = sample or data
            elif len(errors) < 2:
                errors.append(data[:300].decode("utf8", "replace"))

    await asyncio.gather(*(worker() for _ in range(conns)))
    lat.sort()
    wall = max(t_end - start, 1e-9)
    ok = sum(v for k, v in codes.items() if k.isdigit() and int(k) < 400)
    res = {
        "n": len(lat),
        "ok": ok,
        "rps": round(ok / wall, 1),
        "p50_ms": pct(lat, 0.5),
        "p95_ms": pct(lat, 0.95),
        "p99_ms": pct(lat, 0.99),
        "bytes": size // max(1, len(lat)),
        "codes": dict(codes),
    }
    if cpu0 is not None and pids:
        res["srv_cpu_ms"], res["cpu_ms_each"] = cpu_ms(pids, cpu0, len(lat))
        res["client_cpu_ms"] = round((time.process_time() - own0) * 1000 / max(1, len(lat)), 2)
    if errors:
        res["errors"] = errors
    try:
        b = loads(sample)
        if b.get("resourceType") == "Bundle":
            res["entries"], res["total"] = len(b.get("entry", [])), b.get("total")
    except (TypeError, ValueError):
        pass
    return res


async def load(cl, a, state):
    ids, lat, codes, errors = {}, [], collections.Counter(), []
    todo, done, cpu0, t0 = iter(range(a.patients)), 0, cpu_s(a.pids), time.perf_counter()
    own0, series = time.process_time(), []

    async def worker():
        nonlocal done
        for i in todo:
            rec = make_record(i, a.seed)
            body = bundle(rec)
            t = time.perf_counter()
            try:
                st, data, _ = await cl.call("POST", "", body)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as e:
                st, data = type(e).__name__, repr(e).encode()
            lat.append(time.perf_counter() - t)
            codes[str(st)] += 1
            if st not in (200, 201):
                if len(errors) < 3:
                    errors.append(data[:400].decode("utf8", "replace"))
                continue
            done += len(rec)
            for (_, r), e in zip(rec, loads(data).get("entry", [])):
                m = re.search(
                    r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})", (e.get("response") or {}).get("location") or ""
                )
                rid = m[2] if m else (e.get("resource") or {}).get("id")
                if rid:
                    ids.setdefault(r["resourceType"], {}).setdefault(str(i), []).append(rid)
            if len(lat) % 100 == 0:
                series.append([len(lat), round(time.perf_counter() - t0, 1)])

    await asyncio.gather(*(worker() for _ in range(a.load_conns)))
    wall = time.perf_counter() - t0
    lat.sort()
    state.update(ids=ids, patients=a.patients, seed=a.seed)
    own = time.process_time() - own0
    at_end = cpu_ms(a.pids, cpu0, done, 3)
    settled = await settle(cl, {t: sum(map(len, found.values())) for t, found in ids.items()})
    return {
        "bundles": len(lat),
        "resources": done,
        "seconds": round(wall, 1),
        "res_per_s": round(done / wall, 1),
        "p50_ms": pct(lat, 0.5),
        "p95_ms": pct(lat, 0.95),
        "p99_ms": pct(lat, 0.99),
        "codes": dict(codes),
        "errors": errors,
        "srv_cpu_ms_per_resource": round(at_end[0], 2),
        "client_cpu_ms_per_resource": round(own * 1000 / max(1, done), 2),
        "settle_s": settled,
        "settled_cpu_ms_each": cpu_ms(a.pids, cpu0, done, 3)[1],
        "bundles_at_s": series,
    }


async def settle(cl, expected, secs=120):
    """Seconds until searches find all that was loaded of each type (asynchronous indexes)."""
    t0 = time.perf_counter()
    for t, n in expected.items():
        while time.perf_counter() - t0 < secs:
            st, data, _ = await cl.call("GET", f"{t}?_summary=count", headers={"Cache-Control": "no-cache"})
            if st == 200 and (loads(data).get("total") or 0) >= n:
                break
            await asyncio.sleep(0.1)
    return round(time.perf_counter() - t0, 1)


async def check(cl, a):
    """Fixed searches with totals known from the generator (only right straight after load)."""
    rs = [r for i in range(a.patients) for _, r in make_record(i, a.seed)]
    recs = [make_record(i, a.seed) for i in range(a.patients)]
    obs = [r for r in rs if r["resourceType"] == "Observation"]
    has = lambda r, c: r["code"]["coding"][0]["code"] == c
    val = lambda o: o.get("valueQuantity", {}).get("value", -1)
    fam = lambda p, s: p["name"][0]["family"].lower().startswith(s)
    anyname = lambda p, s: any(x.lower().startswith(s) for x in [p["name"][0]["family"], *p["name"][0]["given"]])
    pats = [r for r in rs if r["resourceType"] == "Patient"]
    comp = lambda o, c: next(
        (x["valueQuantity"]["value"] for x in o.get("component", []) if x["code"]["coding"][0]["code"] == c), -1
    )
    cond = lambda rec: {r["code"]["coding"][0]["code"] for _, r in rec if r["resourceType"] == "Condition"}
    q = [
        ("Patient", "Patient?_summary=count", len(pats)),
        ("Observation", "Observation?_summary=count", len(obs)),
        ("name prefix, any part", "Patient?name=mar", sum(anyname(p, "mar") for p in pats)),
        ("family:exact", "Patient?family:exact=Smith", sum(p["name"][0]["family"] == "Smith" for p in pats)),
        ("family:contains", "Patient?family:contains=son", sum("son" in p["name"][0]["family"].lower() for p in pats)),
        ("two values or", "Patient?family=Smith,Jones", sum(fam(p, "smith") or fam(p, "jones") for p in pats)),
        (
            "birthdate range",
            "Patient?birthdate=ge1980-01-01&birthdate=lt1990-01-01",
            sum("1980-01-01" <= p["birthDate"] < "1990-01-01" for p in pats),
        ),
        ("birthdate year", "Patient?birthdate=1985", sum(p["birthDate"][:4] == "1985" for p in pats)),
        ("token", f"Observation?code={LOINC}|8867-4", sum(has(o, "8867-4") for o in obs)),
        ("token code only", "Observation?code=4548-4", sum(has(o, "4548-4") for o in obs)),
        (
            "token system|",
            f"Observation?code={LOINC}|&date=lt2015-02-01",
            sum(o["effectiveDateTime"] < "2015-02-01" for o in obs),
        ),
        ("token :not", "Patient?gender:not=male", sum(p["gender"] != "male" for p in pats)),
        (
            "code+date+value",
            f"Observation?code={LOINC}|8867-4&date=ge2020-01-01&value-quantity=gt90",
            sum(has(o, "8867-4") and o["effectiveDateTime"] >= "2020-01-01" and val(o) > 90 for o in obs),
        ),
        (
            "value with unit",
            f"Observation?code={LOINC}|29463-7&value-quantity=gt100|{UCUM}|kg",
            sum(has(o, "29463-7") and val(o) > 100 for o in obs),
        ),
        (
            "composite",
            "Observation?code-value-quantity=8867-4$gt95",
            sum(has(o, "8867-4") and val(o) > 95 for o in obs),
        ),
        (
            "component composite",
            "Observation?component-code-value-quantity=8480-6$gt160",
            sum(comp(o, "8480-6") > 160 for o in obs),
        ),
        (
            "chain",
            f"Observation?code={LOINC}|8310-5&patient.name=smith",
            sum(
                has(r, "8310-5")
                for rec in recs
                if anyname(rec[0][1], "smith")
                for _, r in rec
                if r["resourceType"] == "Observation"
            ),
        ),
        ("_has", f"Patient?_has:Condition:patient:code={SCT}|44054006", sum("44054006" in cond(r) for r in recs)),
        (":missing", "Observation?value-quantity:missing=true", sum("valueQuantity" not in o for o in obs)),
        (
            "two codes and",
            f"Patient?_has:Condition:patient:code=44054006&_has:Condition:patient:code=195967001",
            sum({"44054006", "195967001"} <= cond(r) for r in recs),
        ),
        ("_filter", 'Patient?_filter=family eq "Smith"', sum(p["name"][0]["family"] == "Smith" for p in pats)),
    ]
    out = []
    for what, url, want in q:
        u = url + ("" if "_summary" in url else "&_total=accurate&_count=1")
        try:
            st, data, _ = await cl.call("GET", quote(u, safe="/?&=:,._-$"))
            got = loads(data).get("total") if st == 200 else f"{st} {data[:160].decode('utf8', 'replace')}"
        except Exception as e:
            got = repr(e)
        out.append({"what": what, "url": url, "want": want, "got": got, "ok": got == want})
    return out


def phases(a, state):
    """name -> generator of requests"""
    rng, ids = random.Random(a.seed + 1 + a.run), state["ids"]
    n, run = state["patients"], f"{os.getpid():x}{int(time.time()):x}"
    names = {}

    def rec0(i):
        if i not in names:
            names[i] = make_patient_of(i, state["seed"])
        return names[i]

    def some():
        while True:
            i = rng.randrange(n)
            if str(i) in ids.get("Patient", {}):
                return i

    pid = lambda i: ids["Patient"][str(i)][0]
    oid = lambda i: rng.choice(ids["Observation"][str(i)])
    count = iter(range(10**9))
    vit = lambda: rng.choice(VITALS)
    day = lambda: (dt.date(2015, 1, 1) + dt.timedelta(days=rng.randrange(3400))).isoformat()
    get = lambda u: ("GET", quote(u, safe="/?&=:,._-$"), None, {"Cache-Control": "no-cache"} if a.no_cache else None)

    def new_patient():
        p = make_patient(next(count), rng)
        p["identifier"] = [{"system": MRN, "value": f"NEW{run}-{next(count)}"}]
        return p

    def cond_create():
        i = next(count)
        p = new_patient()
        if i % 2:
            p["identifier"] = [{"system": MRN, "value": f"MRN{some():07d}"}]
        return (
            "POST",
            "Patient",
            dumps(p),
            {"If-None-Exist": quote(f"identifier={MRN}|{p['identifier'][0]['value']}", safe="=&")},
        )

    order = list(range(n))
    rng.shuffle(order)
    nxt = {"u": 0, "c": 0}

    def upd(kind):
        # each request changes another patient, so no two in flight conflict
        i = order[nxt[kind] % n]
        nxt[kind] += 1
        p = make_patient(i, rng)
        p["telecom"][0]["value"] = f"555-{rng.randrange(10**7):07d}"
        if kind == "c":
            return "PUT", quote(f"Patient?identifier={MRN}|MRN{i:07d}", safe="?="), dumps(p), None
        return "PUT", f"Patient/{pid(i)}", dumps({**p, "id": pid(i)}), None

    return {
        "create_patient": lambda: ("POST", "Patient", dumps(new_patient()), None),
        "create_observation": lambda: (
            "POST",
            "Observation",
            dumps(make_obs(rng, f"Patient/{pid(some())}", day() + "T10:00:00Z", vit())),
            None,
        ),
        "read": lambda: get(f"Observation/{oid(some())}" if rng.random() < 0.5 else f"Patient/{pid(some())}"),
        "update": lambda: upd("u"),
        "cond_create": cond_create,
        "cond_update": lambda: upd("c"),
        "s_identifier": lambda: get(f"Patient?identifier={MRN}|MRN{some():07d}"),
        "s_name": lambda: get(f"Patient?name={rng.choice(FAMILY)}&given={rng.choice(GIVEN)}&_count=20"),
        "s_obs_patient_code_sort": lambda: get(
            f"Observation?patient={pid(some())}&code={LOINC}|{vit()[0]}&_sort=-date&_count=20"
        ),
        "s_obs_code_date_value": lambda: get(
            f"Observation?code={LOINC}|8867-4&date=ge{day()}&value-quantity=gt{rng.randrange(850, 1050) / 10}&_count=20"
        ),
        "s_obs_date_sort": lambda: get(f"Observation?code={LOINC}|{vit()[0]}&date=ge{day()}&_sort=-date&_count=20"),
        "s_chain": lambda: get(f"Observation?patient.name={rng.choice(FAMILY)}&code={LOINC}|{vit()[0]}&_count=20"),
        "s_has": lambda: get(
            f"Patient?_has:Condition:patient:code={SCT}|{rng.choice(CONDS)[0]}&birthdate=ge{1935 + rng.randrange(80)}&_count=20"
        ),
        "s_include_revinclude": lambda: get(
            f"Encounter?patient={pid(some())}&_include=Encounter:patient&_revinclude=Observation:encounter&_count=20"
        ),
        "s_total_accurate": lambda: get(
            f"Observation?code={LOINC}|{vit()[0]}&date=ge{day()}&_total=accurate&_count=10"
        ),
        "s_summary_count": lambda: get(f"Observation?code={LOINC}|{vit()[0]}&date=ge{day()}&_summary=count"),
        "everything": lambda: get(f"Patient/{pid(some())}/$everything"),
        "history_instance": lambda: get(f"Patient/{pid(some())}/_history"),
        "history_type": lambda: get("Patient/_history?_count=20"),
        "metadata": lambda: get("metadata"),
    }


def make_patient_of(i, seed):
    return make_record(i, seed)[0][1]


def capability(cs):
    r = (cs.get("rest") or [{}])[0]
    res = r.get("resource", [])
    return {
        "software": cs.get("software"),
        "fhirVersion": cs.get("fhirVersion"),
        "formats": cs.get("format"),
        "patchFormat": cs.get("patchFormat"),
        "resources": len(res),
        "system_interactions": [i["code"] for i in r.get("interaction", [])],
        "type_interactions": dict(collections.Counter(i["code"] for x in res for i in x.get("interaction", []))),
        "search_params": sum(len(x.get("searchParam", [])) for x in res),
        "patient_search_params": next((len(x.get("searchParam", [])) for x in res if x["type"] == "Patient"), None),
        "obs_search_params": next((len(x.get("searchParam", [])) for x in res if x["type"] == "Observation"), None),
        "obs_include": next((len(x.get("searchInclude", [])) for x in res if x["type"] == "Observation"), None),
        "obs_revinclude": next((len(x.get("searchRevInclude", [])) for x in res if x["type"] == "Observation"), None),
        "system_operations": [o["name"] for o in r.get("operation", [])],
        "type_operations": dict(collections.Counter(o["name"] for x in res for o in x.get("operation", []))),
        "flags": {
            k: dict(collections.Counter(str(x.get(k)) for x in res))
            for k in (
                "versioning",
                "conditionalCreate",
                "conditionalRead",
                "conditionalUpdate",
                "conditionalDelete",
                "updateCreate",
                "readHistory",
            )
        },
        "security": r.get("security"),
        "bytes": len(dumps(cs)),
    }


async def main(a):
    state = {}
    if a.state and os.path.exists(a.state) and "load" not in a.phases:
        state = json.load(open(a.state))
    result = {
        "base": a.base,
        "args": {k: v for k, v in vars(a).items() if k != "header"},
        "loadavg_start": os.getloadavg(),
        "phases": {},
    }
    hd = dict(h.split(":", 1) for h in a.header)
    async with Client(a.base, max(a.conns, a.load_conns), hd) as cl:
        st, data, _ = await cl.call("GET", "metadata")
        result["capability"] = capability(loads(data)) if st == 200 else st
        if "load" in a.phases:
            result["load"] = await load(cl, a, state)
            if a.state:
                json.dump(state, open(a.state, "w"))
            print("load", json.dumps({k: v for k, v in result["load"].items()}), file=sys.stderr, flush=True)
            result["settle_s"] = result["load"]["settle_s"]
            result["mem_mb_after_load"], result["disk_mb_after_load"] = mem_mb(a.pids), disk_mb(a.disk)
        if "check" in a.phases:
            a.patients, a.seed = state.get("patients", a.patients), state.get("seed", a.seed)
            result["check"] = await check(cl, a)
            for c in result["check"]:
                print(
                    "check",
                    "ok  " if c["ok"] else "DIFF",
                    c["what"],
                    "want",
                    c["want"],
                    "got",
                    c["got"],
                    file=sys.stderr,
                    flush=True,
                )
        if not state.get("ids"):
            print("no ids known: run the load phase first (or give --state)", file=sys.stderr)
        else:
            for name, gen in phases(a, state).items():
                if "all" in a.phases or name in a.phases:
                    r = result["phases"][name] = await closed_loop(
                        cl, gen, a.conns, a.seconds, a.warmup, a.pids, a.least
                    )
                    print(f"{name:26}", json.dumps(r), file=sys.stderr, flush=True)
    result.update(mem_mb=mem_mb(a.pids), disk_mb=disk_mb(a.disk), loadavg_end=os.getloadavg())
    text = json.dumps(result, indent=1)
    open(a.out, "w").write(text) if a.out else print(text)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("base")
    p.add_argument("--patients", type=int, default=1000, help="records to load, about 50 resources each")
    p.add_argument("--seed", type=int, default=42)
    p.add_argument("--run", type=int, default=0, help="another number gives other queries over the same data")
    p.add_argument("-c", "--conns", type=int, default=16)
    p.add_argument("--load-conns", type=int, default=16)
    p.add_argument("--seconds", type=float, default=8)
    p.add_argument("--warmup", type=float, default=2)
    p.add_argument(
        "--phases",
        type=lambda s: s.split(","),
        default=["load", "check", "all"],
        help="comma list of: load, check, all, or names of single phases",
    )
    p.add_argument("--least", type=int, default=0, help="requests of each phase, within a minute more")
    p.add_argument("--no-cache", action="store_true", help="send Cache-Control: no-cache with every GET")
    p.add_argument("--header", action="append", default=[], help="extra header, Name:value")
    p.add_argument(
        "--pids",
        type=lambda s: [int(x) for x in s.split(",")],
        default=[],
        help="server process ids (children counted)",
    )
    p.add_argument("--disk", action="append", default=[], help="folder or file whose size is the database's")
    p.add_argument("--state", help="file that keeps the ids of what was loaded")
    p.add_argument("--out")
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main(p.parse_args()))
