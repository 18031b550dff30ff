// Work: Tasks that the workforce has made for people.

import { h } from "../../page/dom.js";
import { grid, linked } from "../../page/screen.js";
import { calls } from "./calls.js";

export async function workView() {
  const { items } = await calls.get("work");
  return [
    h("h1", { tabindex: "-1" }, "Work"),
    grid(
      ["Due", "What", "About", "State", "Task"],
      items.map((each) => [
        each.due,
        h("span", { class: each.priority === "urgent" ? "error" : "" }, each.said),
        about(each.about),
        each.status,
        linked(each.task, calls.place),
      ]),
      "Nothing has to be looked after.",
    ),
  ];
}

function about(reference) {
  const [type, id] = reference.split("/");
  return type === "Schedule" ? h("a", { href: `#/rota/${id}` }, "the rota") : linked(reference, calls.place);
}
