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
    this.centre = h("input", { type: "number", size: "6", "aria-label": "Window centre" });
    this.width = h("input", { type: "number", size: "6", min: "1", "aria-label": "Window width" });
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
      return Array.from({ length: count }, (_, frame) => ({ path: `${path}/frames/${frame + 1}/rendered`, instance }));
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
    const instance = this.frames[at]?.instance ?? {};
    this.window = null;
    this.stated = [Number(value(instance, "00281050")) || 1024, Number(value(instance, "00281051")) || 2048];
    this.zoom = 1;
    this.show(at);
  }

  show(at) {
    if (!this.frames.length) return;
    this.at = Math.max(0, Math.min(this.frames.length - 1, at));
    const window = this.window ? `?window=${this.window.join(",")},linear` : "";
    this.image.src = this.frames[this.at].path + window;
    this.image.style.height = "100%";
    this.image.style.transform = `scale(${this.zoom})`;
    this.slider.value = String(this.at);
    const [centre, width] = this.window ?? this.stated;
    this.centre.value = String(centre);
    this.width.value = String(width);
    this.said.textContent = `${this.at + 1} of ${this.frames.length}\nwindow ${this.window ? `${centre} width ${width}` : "as stated"}\nzoom ${Math.round(this.zoom * 100)} %`;
  }

  scale(by) {
    this.zoom = Math.max(0.2, Math.min(12, this.zoom * by));
    this.show(this.at);
  }

  typed() {
    const [centre, width] = [Number(this.centre.value), Number(this.width.value)];
    if (Number.isFinite(centre) && width >= 1) this.window = [centre, width];
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

  grab(event) {
    const [centre, width] = this.window ?? this.stated;
    const [x, y] = [event.clientX, event.clientY];
    const factor = Math.max(1, width / 400);
    this.element.setPointerCapture(event.pointerId);
    let waiting = false;
    const move = (moved) => {
      this.window = [
        Math.round(centre + (moved.clientY - y) * factor),
        Math.max(1, Math.round(width + (moved.clientX - x) * factor)),
      ];
      if (waiting) return;
      waiting = true;
      setTimeout(() => {
        waiting = false;
        this.show(this.at);
      }, 60);
    };
    this.element.addEventListener("pointermove", move);
    const released = () => this.element.removeEventListener("pointermove", move);
    for (const end of ["pointerup", "pointercancel"]) this.element.addEventListener(end, released, { once: true });
  }
}
