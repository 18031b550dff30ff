// FHIR's dates for people. Nothing is shifted to the reader's time zone: what was recorded is what is shown.
// https://hl7.org/fhir/R4/datatypes.html#dateTime

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DATE_TIME =
  /^(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01])(?:T(\d\d:\d\d)(:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/** Whether a string is a FHIR date, dateTime or instant of at least a year and a month (a year alone may be anything). */
export function isDate(text) {
  return text.length >= 7 && DATE_TIME.test(text);
}

/**
 * "1974-12-25" -> "25 Dec 1974", "2015-02-07T13:28:17+01:00" -> "7 Feb 2015, 13:28 +01:00"; other text as it is.
 * withZone: whether a time says its zone.
 */
export function date(text, withZone = true) {
  const match = DATE_TIME.exec(text);
  if (!match) return text;
  const [, year, month, day, minutes, , zone] = match;
  if (!month) return year;
  const shown = `${day ? `${Number(day)} ` : ""}${MONTHS[month - 1]} ${year}`;
  if (!minutes) return shown;
  return `${shown}, ${minutes}${withZone && zone ? ` ${zoneWords(zone)}` : ""}`;
}

/** A Period: "1 Jan 2020 – 3 Feb 2020", "since …", "until …"; the zone, and an end on the start's day, said once. */
export function period({ start, end }, withZone = true) {
  if (!start || !end) return start ? `since ${date(start, withZone)}` : end ? `until ${date(end, withZone)}` : "";
  const [from, to] = [date(start, withZone && zoneOf(start) !== zoneOf(end)), date(end, withZone)];
  if (date(start) === date(end)) return to;
  const sameDay = start.length > 10 && end.length > 10 && start.slice(0, 10) === end.slice(0, 10);
  return `${from} – ${sameDay ? to.slice(to.indexOf(", ") + 2) : to}`;
}

const zoneOf = (text) => DATE_TIME.exec(text)?.[6] ?? "";
const zoneWords = (zone) => (zone === "Z" || zone === "+00:00" ? "UTC" : zone);
