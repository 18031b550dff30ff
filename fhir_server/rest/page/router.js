// Follows the URL: shows each place once it is ready, ends what the last one still asked, keeps scroll positions.

import { parsePlace } from "./location.js";

/** show(place): starts showing a place, gives a promise; the one before it is cancelled by the caller. */
export class Router {
  constructor(show) {
    this.show = show;
    this.scrolls = new Map();
    this.current = "";
    this.forward = false;
  }

  /** Shows the URL's place and every one that follows. */
  start() {
    history.scrollRestoration = "manual";
    // A link goes to the top of its place; back and forward go to where the reader was.
    addEventListener("click", (event) => {
      if (event.target.closest?.("a[href^='#']")) this.forward = true;
    });
    addEventListener("hashchange", () => this.follow());
    return this.follow();
  }

  /** Goes to a place, or asks again for the one that is shown. */
  go = (hash) => {
    this.forward = true;
    if (location.hash === hash) this.follow();
    else location.hash = hash;
  };

  async follow() {
    this.scrolls.set(this.current, scrollY);
    const hash = location.hash;
    const top = this.forward ? 0 : (this.scrolls.get(hash) ?? 0);
    this.forward = false;
    this.current = hash;
    if (await this.show(parsePlace(hash))) scrollTo(0, top);
  }
}
