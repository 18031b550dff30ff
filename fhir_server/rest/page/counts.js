// How many resources answer each of many searches, in one batch.

/** Searches ("Patient", "Observation?subject=Patient/1") -> their totals in the same order, null where one failed. */
export async function counts(session, searches) {
  const entry = searches.map((search) => ({
    request: { method: "GET", url: `${search}${search.includes("?") ? "&" : "?"}_summary=count` },
  }));
  const answer = await session.post("", { resourceType: "Bundle", type: "batch", entry });
  return searches.map((_, index) => {
    const total = answer.entry?.[index]?.resource?.total;
    return total === undefined ? null : Number(total);
  });
}
