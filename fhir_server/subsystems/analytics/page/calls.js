// The calls of analytics.

import { callsBelow } from "../../page/calls.js";

export const calls = callsBelow(new URL("..", import.meta.url));
