// Where the page is: the part of its URL after # is a FHIR request, "#/Patient/1/_history", with one addition: a view
// of the same answer after ~, "#/Patient/1~json". So every place can be shared, and says what is asked of the server.

/** A place: path ("Patient/1", "" for home), view ("", "json", "diff:1:3"), query ("name=a&_count=20", no ?). */
export function parsePlace(hash) {
  const target = hash.replace(/^#?\/?/, "");
  const at = target.indexOf("?");
  const [path, view = ""] = (at < 0 ? target : target.slice(0, at)).split("~");
  return { path: path.replace(/\/+$/, ""), view, query: at < 0 ? "" : target.slice(at + 1) };
}

/** The hash of a place. */
export function placeHash({ path, view = "", query = "" }) {
  return `#/${path}${view && `~${view}`}${query && `?${query.replaceAll("#", "%23")}`}`;
}

/** The hash of a FHIR request relative to the base: "Patient?name=a" -> "#/Patient?name=a". */
export function requestHash(relative) {
  return placeHash(parsePlace(relative));
}

/** The FHIR request of a place, relative to the base: "Patient?name=a". */
export function relativeUrl({ path, query }) {
  return path + (query && `?${query}`);
}

/** A URL of this server relative to its FHIR base; null for one of elsewhere. base: with no slash at its end. */
export function withinBase(url, base) {
  if (url === base) return "";
  for (const start of [`${base}/`, `${base}?`])
    if (url.startsWith(start)) return url.slice(base.length).replace(/^\//, "");
  return null;
}

/**
 * A link of a Bundle of this server relative to the base. A server behind a proxy may call itself by another host, so
 * only the path is compared, and where even that differs what follows the base's last part is taken.
 */
export function pagingLink(url, base) {
  const [own, other] = [new URL(base), new URL(url, `${base}/`)];
  const mark = `/${own.pathname.split("/").at(-1)}`;
  const start = other.pathname.startsWith(own.pathname)
    ? own.pathname
    : other.pathname.slice(0, other.pathname.lastIndexOf(mark)) + mark;
  return other.pathname.slice(start.length).replace(/^\//, "") + other.search;
}

/** What a FHIR reference leads to within the page, as a hash; null for one that leads elsewhere or nowhere. */
export function referenceHash(reference, base) {
  const relative = /^[a-z][a-z\d+.-]*:/i.test(reference) ? withinBase(reference, base) : reference;
  return relative !== null && /^[A-Z][A-Za-z]+(?:[/?]|$)/.test(relative) ? requestHash(relative) : null;
}
