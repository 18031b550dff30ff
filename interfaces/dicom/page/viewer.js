// A simple viewer on rendered frames: wheel and arrows scroll, a drag changes the window, + and - zoom.
import { all, date, get, value, WEB } from "./calls.js";
import { h } from "./parts.js";

export async function viewer(uid) {
  const [series, [study]] = await Promise.all([
    get(`${WEB}/studies/${uid}/series`),
    get(`${WEB}/studies?StudyInstanceUID=${uid}`),
  ]);
  if (!study) throw new Error("There is no such study, or it is in quarantine.");
  const stage = new Stage(uid);
  const strip = h("div", { class: "strip", role: "group", "aria-label": "Series" });
  for (const each of series) {
    const id = value(each, "0020000E");
    const name = `${value(each, "00080060")} ${value(each, "00200011")} ${value(each, "0008103E")}`;
    const button = h(
      "button",
      { type: "button", "aria-pressed": "false", title: name },
      h("img", { src: `${WEB}/studies/${uid}/series/${id}/thumbnail`, alt: name }),
    );
    button.addEventListener("click", () => {
      for (const other of strip.children) other.setAttribute("aria-pressed", String(other === button));
      stage.open(id);
    });
    strip.append(button);
  }
  strip.firstElementChild?.click();
  const about = [value(study, "00100020"), date(value(study, "00080020")), value(study, "00081030")].filter(Boolean);
  return [
    h("h1", {}, value(study, "00100010") || "Study"),
    h("p", { class: "quiet" }, about.join(" · ")),
    h("div", { class: "viewer" }, strip, stage.tools, stage.element),
  ];
}

class Stage {
  constructor(study) {
    this.study = study;
    this.frames = [];
    this.at = 0;
    this.zoom = 1;
    this.window = null;
    this.image = h("img", { alt: "Image", draggable: "false" });
    this.image.addEventListener("error", () => this.tell("This image can't be shown; its instance can be fetched by DICOMweb."));
    this.said = h("output", { "aria-live": "polite" });
    this.element = h("div", { class: "stage", tabindex: "0", role: "group", "aria-label": "Viewer" }, this.image, this.said);
    this.slider = h("input", { type: "range", min: "0", max: "0", value: "0", "aria-label": "Image number" });
    this.slider.addEventListener("input", () => this.show(Number(this.slider.value)));
    this.centre = h("input", { type: "number", step: "any", "aria-label": "Window centre" });
    this.width = h("input", { type: "number", step: "any", min: "0", "aria-label": "Window width" });
    for (const field of [this.centre, this.width]) field.addEventListener("change", () => this.typed());
    this.tools = h(
      "div",
      { class: "tools" },
      h("label", {}, "Image ", this.slider),
      h("label", {}, "Window ", this.centre),
      h("label", {}, "Width ", this.width),
      h("button", { type: "button", onclick: () => this.scale(1.25) }, "Zoom in"),
      h("button", { type: "button", onclick: () => this.scale(0.8) }, "Zoom out"),
      h("button", { type: "button", onclick: () => this.reset() }, "Reset"),
    );
    this.element.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.element.addEventListener("pointerdown", (event) => this.grab(event));
    this.element.addEventListener("keydown", (event) => this.key(event));
  }

  async open(series) {
    this.series = series;
    this.clear("…");
    let found;
    try {
      found = await all(`${WEB}/studies/${this.study}/series/${series}/instances?includefield=00281050,00281051`);
    } catch (problem) {
      if (this.series === series) this.tell(problem.message);
      return;
    }
    if (this.series !== series) return; // another was chosen meanwhile
    found.sort((one, other) => Number(value(one, "00200013")) - Number(value(other, "00200013")));
    this.frames = found.flatMap((instance) => {
      const path = `${WEB}/studies/${this.study}/series/${series}/instances/${value(instance, "00080018")}`;
      const count = Number(value(instance, "00280008")) || 1;
      const stated = [value(instance, "00281050"), value(instance, "00281051")];
      return Array.from({ length: count }, (_, frame) => ({ path: `${path}/frames/${frame + 1}`, stated }));
    });
    this.slider.max = String(Math.max(0, this.frames.length - 1));
    this.reset(Math.floor(this.frames.length / 2));
  }

  clear(words) {
    this.frames = [];
    this.slider.max = "0";
    this.tell(words);
  }

  // In place of an image: one of another series or frame must not stay.
  tell(words) {
    this.image.removeAttribute("src");
    this.said.textContent = words;
  }

  reset(at = this.at) {
    this.window = null;
    this.zoom = 1;
    this.show(at);
  }

  show(at) {
    if (!this.frames.length) return;
    this.at = Math.max(0, Math.min(this.frames.length - 1, at));
    const window = this.window ? `?window=${this.window.join(",")}` : "";
    this.image.src = `${this.frames[this.at].path}/rendered${window}`;
    this.image.style.height = "100%";
    this.image.style.transform = `scale(${this.zoom})`;
    this.slider.value = String(this.at);
    const [centre, width] = this.window ?? this.frames[this.at].stated;
    this.centre.value = String(centre);
    this.width.value = String(width);
    const told = this.window ? `${centre} width ${width}` : "as stated";
    this.said.textContent = `${this.at + 1} of ${this.frames.length}\nwindow ${told}\nzoom ${Math.round(this.zoom * 100)} %`;
  }

  // The window that the frame is shown by: centre, width, function; null where it has none, as of colours.
  async shown() {
    const frame = this.frames[this.at];
    if (this.window || !frame) return this.window;
    frame.window ??= await get(`${frame.path}/window`).then((found) => (found.length ? found : null), () => null);
    return frame === this.frames[this.at] ? (this.window ?? frame.window) : null;
  }

  scale(by) {
    this.zoom = Math.max(0.2, Math.min(12, this.zoom * by));
    this.show(this.at);
  }

  async typed() {
    const typed = [this.centre.value, this.width.value];
    const own = await this.shown();
    if (!own) return this.show(this.at);
    const [centre, width] = typed.map((text, at) => (text.trim() === "" ? own[at] : Number(text)));
    if (Number.isFinite(centre) && width > 0) this.window = [centre, width, own[2]];
    this.show(this.at);
  }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) this.scale(event.deltaY < 0 ? 1.1 : 0.9);
    else this.show(this.at + Math.sign(event.deltaY));
  }

  key(event) {
    const steps = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, PageDown: 10, PageUp: -10 };
    if (event.key in steps) this.show(this.at + steps[event.key]);
    else if (event.key === "+") this.scale(1.25);
    else if (event.key === "-") this.scale(0.8);
    else if (event.key === "Home") this.show(0);
    else if (event.key === "End") this.show(this.frames.length - 1);
    else return;
    event.preventDefault();
  }

  async grab(event) {
    const [x, y] = [event.clientX, event.clientY];
    this.element.setPointerCapture(event.pointerId);
    let [own, waiting, at] = [null, false, { x, y }];
    const change = () => {
      if (!own || (at.x === x && at.y === y)) return;
      const [centre, width, kind] = own;
      const step = Math.max(width, 1e-6) / 400;
      const rounded = (number) => (step < 0.5 ? Number(number.toPrecision(4)) : Math.round(number));
      this.window = [rounded(centre + (at.y - y) * step), Math.max(step, rounded(width + (at.x - x) * step)), kind];
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        this.show(this.at);
      }, 60);
    };
    const move = (moved) => {
      at = { x: moved.clientX, y: moved.clientY };
      change();
    };
    this.element.addEventListener("pointermove", move);
    const released = () => this.element.removeEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) this.element.addEventListener(end, released, { once: true });
    own = await this.shown();
    change();
  }
}
