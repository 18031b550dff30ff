// A table of a list of any length: its first part, and while there is more a button that adds the next.
import { part } from "./calls.js";
import { action, h, line, table } from "./parts.js";

export async function paged(path, headings, row, nothing) {
  const first = await part(path);
  const shown = table(headings, first.found.map(row), nothing);
  return [shown, more(shown, row, first)].filter(Boolean);
}

function more(shown, row, { next }) {
  if (!next) return null;
  const body = shown.querySelector("tbody");
  const told = h("p", { role: "status" }, `There are more: these are ${body.rows.length}. `);
  told.append(
    action("Show more", async () => {
      const following = await part(next);
      body.append(...following.found.map((each) => line(row(each))));
      told.replaceWith(...[more(shown, row, following)].filter(Boolean));
      return "";
    }),
  );
  return told;
}
