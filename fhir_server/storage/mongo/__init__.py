"""The distributed store: resources, history and change feed in MongoDB 6 or later (a replica set or sharded cluster).

    resources  one document per resource, its newest version: {_id: "Patient/1", type, version, seq, updated, method,
               keys, resource: {…}}; a deletion has no resource
    history    one document per older version: {_id: "Patient/1/2", key: "Patient/1", …, replaced, keys, resource}
    feed       one small document per position of the change feed: {_id: 17, t, i, v, m, u}; m "VOID" for a position
               that no change took
    notes      what is committed with versions for whoever takes it elsewhere (notes.py); mostly next to empty
    criteria   what concurrent conditional interactions meet on, one document per criteria, gone after a day
    counters, consumers, meta   the next position, consumers' positions and leases, the layout's version
    content.*  GridFS: what Binaries hold, and resources that are larger than a document can be

resource is the FHIR JSON as native BSON, in its order; decimals are Decimal128. documents.py says what is kept beside
it where BSON can't hold a value as it is.
"""
