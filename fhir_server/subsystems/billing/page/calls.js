// The calls of billing.

import { callsBelow } from "../../page/calls.js";

export const calls = callsBelow(new URL("..", import.meta.url));
