// A request as a line for the shell.

/** The curl command of an Exchange, quoted for a POSIX shell. */
export function curl({ method, url, headers, body }) {
  const parts = ["curl"];
  if (method !== "GET" && !(method === "POST" && body !== null)) parts.push("-X", method);
  for (const [name, value] of Object.entries(headers)) parts.push("-H", quoted(`${name}: ${value}`));
  if (body !== null) parts.push("--data-binary", quoted(body));
  return [...parts, quoted(url)].join(" ");
}

function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
