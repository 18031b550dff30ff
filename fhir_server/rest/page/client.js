// The one way to the server: FHIR REST by fetch, each request recorded so that the page can show it.

import { parse } from "./json.js";
import { OWN_PAGE, signInEnded } from "./session.js";

/**
 * A request that was made. method, url (absolute), headers, body (text or null); when answered also status,
 * statusText, milliseconds, bytes, type (content type), etag, lastModified.
 */
export class Exchange {
  constructor(method, url, headers, body) {
    Object.assign(this, { method, url, headers, body, status: 0, statusText: "", milliseconds: 0, bytes: 0 });
  }
}

/** An answer that is not a success, or none: status (0 for none), outcome (an OperationOutcome). */
export class Failure extends Error {
  constructor(status, outcome) {
    super(outcome.issue?.[0]?.diagnostics ?? `HTTP ${status}`);
    this.status = status;
    this.outcome = outcome;
  }
}

/** The FHIR client. base: absolute, with no slash at its end. */
export class Client {
  constructor(base) {
    this.base = base;
  }

  /** A session of requests that belong together: what one place of the page asks. onChange: called with its list. */
  session(onChange = () => {}) {
    return new Session(this.base, onChange);
  }
}

/** Requests that belong together; `cancel()` ends those that still run. */
class Session {
  constructor(base, onChange) {
    this.base = base;
    this.exchanges = [];
    this.onChange = onChange;
    this.controller = new AbortController();
  }

  cancel() {
    this.controller.abort();
  }

  /** GET of a URL relative to the base -> {resource}, numbers kept as Digits. Failure for an error. */
  async get(relative) {
    const { text } = await this.text("GET", relative);
    return readJson(text);
  }

  /** POST of a resource -> the resource that comes back. */
  async post(relative, resource) {
    const { text } = await this.text("POST", relative, "application/fhir+json", JSON.stringify(resource));
    return readJson(text);
  }

  /** A request -> {text, exchange} whatever its content. Failure for a status of 400 and above, and for no answer. */
  async text(method, relative, accept = "application/fhir+json", body = null) {
    const url = this.absolute(relative);
    const headers = { Accept: accept, ...(body === null ? {} : { "Content-Type": "application/fhir+json" }) };
    const exchange = new Exchange(method, url, headers, body);
    this.exchanges.push(exchange);
    this.onChange(this.exchanges);
    const start = performance.now();
    let text;
    try {
      const response = await fetch(url, {
        method,
        headers: method === "GET" ? headers : { ...headers, ...OWN_PAGE },
        body,
        signal: this.controller.signal,
        credentials: "same-origin",
      });
      text = await response.text();
      exchange.status = response.status;
      exchange.statusText = response.statusText;
      exchange.type = response.headers.get("content-type") ?? "";
      exchange.etag = response.headers.get("etag");
      exchange.lastModified = response.headers.get("last-modified");
    } catch (problem) {
      if (this.controller.signal.aborted) throw problem;
      throw new Failure(0, outcome(`No answer from ${url}. Is the server running?`));
    } finally {
      exchange.milliseconds = performance.now() - start;
      exchange.bytes = text === undefined ? 0 : new Blob([text]).size;
      this.onChange(this.exchanges);
    }
    if (exchange.status === 401) signInEnded();
    if (exchange.status >= 400) throw new Failure(exchange.status, readOutcome(text, exchange));
    return { text, exchange };
  }

  absolute(relative) {
    const url = new URL(relative && relative[0] !== "?" ? `${this.base}/${relative}` : this.base + relative).href;
    if (url !== this.base && !/^[/?]/.test(url.slice(this.base.length))) {
      throw new Failure(0, outcome(`${relative} leaves the FHIR base.`));
    }
    return url;
  }
}

function readJson(text) {
  try {
    return parse(text);
  } catch {
    throw new Failure(0, outcome(`The answer is not JSON: ${text.slice(0, 300)}`));
  }
}

function readOutcome(text, exchange) {
  try {
    const resource = parse(text);
    if (resource.resourceType === "OperationOutcome") return resource;
  } catch {
    // Not JSON: what came is shown as it is.
  }
  return outcome(text.trim().slice(0, 1000) || `${exchange.status} ${exchange.statusText}`);
}

function outcome(diagnostics) {
  return { resourceType: "OperationOutcome", issue: [{ severity: "error", code: "exception", diagnostics }] };
}
