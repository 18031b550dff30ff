// What the server says of itself: lookups over its CapabilityStatement.

/** The lookups. statement: a CapabilityStatement as plain JSON. */
export class Capability {
  constructor(statement) {
    this.statement = statement;
    this.rest = statement.rest?.find((rest) => rest.mode === "server") ?? statement.rest?.[0] ?? {};
    this.resources = new Map((this.rest.resource ?? []).map((resource) => [resource.type, resource]));
  }

  /** Name and version: {name, version}. */
  get software() {
    return this.statement.software ?? { name: "FHIR server", version: "" };
  }

  /** The versions of the server and of FHIR, in words. */
  get versionWords() {
    const { fhirVersion } = this.statement;
    return [this.software.version, fhirVersion && `FHIR ${fhirVersion}`].filter(Boolean).join(" · ");
  }

  /** The resource types, in the order of the alphabet. */
  get types() {
    return [...this.resources.keys()].sort();
  }

  /** The search parameters of a type by name: {name, type, documentation}. Those of every type where type is "". */
  searchParameters(type) {
    const own = this.resources.get(type)?.searchParam ?? [];
    return new Map([...(this.rest.searchParam ?? []), ...own].map((parameter) => [parameter.name, parameter]));
  }

  /** What _include may follow from a type: "Observation:subject". */
  includes(type) {
    return this.resources.get(type)?.searchInclude ?? [];
  }

  /** The references that may lead to a type, as [type, search parameter]. */
  referrers(type) {
    const stated = this.resources.get(type)?.searchRevInclude ?? [];
    const pairs = stated.map((each) => each.split(":")).filter(([from, name]) => name && this.resources.has(from));
    return pairs.length ? pairs.map(([from, name]) => [from, name]) : this.allReferences();
  }

  /** The types that a reference parameter may lead to; all where the server does not state it. */
  targets(type, name) {
    const path = `${type}:${name}`;
    const stated = this.types.filter((each) => this.resources.get(each).searchRevInclude?.includes(path));
    return stated.length ? stated : this.types;
  }

  /** Every reference parameter, for a server that does not state which may lead where. */
  allReferences() {
    return this.types.flatMap((type) =>
      [...this.searchParameters(type).values()]
        .filter((parameter) => parameter.type === "reference")
        .map((parameter) => [type, parameter.name]),
    );
  }

  /** Whether the whole system has this interaction ("history-system"). */
  hasSystemInteraction(code) {
    return (this.rest.interaction ?? []).some((interaction) => interaction.code === code);
  }

  /** Whether an operation can be called ("fhirpath"), on the system or on this type. */
  hasOperation(name, type) {
    const operations = [...(this.rest.operation ?? []), ...(this.resources.get(type)?.operation ?? [])];
    return operations.some((operation) => operation.name === name || operation.name === `$${name}`);
  }
}
