var __create = Object.create;
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __getProtoOf = Object.getPrototypeOf;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __esm = (fn, res, err) => function __init() {
  if (err) throw err[0];
  try {
    return fn && (res = (0, fn[__getOwnPropNames(fn)[0]])(fn = 0)), res;
  } catch (e) {
    throw err = [e], e;
  }
};
var __commonJS = (cb, mod) => function __require() {
  try {
    return mod || (0, cb[__getOwnPropNames(cb)[0]])((mod = { exports: {} }).exports, mod), mod.exports;
  } catch (e) {
    throw mod = 0, e;
  }
};
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toESM = (mod, isNodeMode, target) => (target = mod != null ? __create(__getProtoOf(mod)) : {}, __copyProps(
  // If the importer is in node compatibility mode or this is not an ESM
  // file that has been converted to a CommonJS file using a Babel-
  // compatible transform (i.e. "__esModule" has not been set), then set
  // "default" to the CommonJS "module.exports" for node compatibility.
  isNodeMode || !mod || !mod.__esModule ? __defProp(target, "default", { value: mod, enumerable: true }) : target,
  mod
));
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// node_modules/ms/index.js
var require_ms = __commonJS({
  "node_modules/ms/index.js"(exports2, module2) {
    var s = 1e3;
    var m = s * 60;
    var h = m * 60;
    var d = h * 24;
    var w = d * 7;
    var y = d * 365.25;
    module2.exports = function(val, options) {
      options = options || {};
      var type = typeof val;
      if (type === "string" && val.length > 0) {
        return parse(val);
      } else if (type === "number" && isFinite(val)) {
        return options.long ? fmtLong(val) : fmtShort(val);
      }
      throw new Error(
        "val is not a non-empty string or a valid number. val=" + JSON.stringify(val)
      );
    };
    function parse(str) {
      str = String(str);
      if (str.length > 100) {
        return;
      }
      var match = /^(-?(?:\d+)?\.?\d+) *(milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w|years?|yrs?|y)?$/i.exec(
        str
      );
      if (!match) {
        return;
      }
      var n = parseFloat(match[1]);
      var type = (match[2] || "ms").toLowerCase();
      switch (type) {
        case "years":
        case "year":
        case "yrs":
        case "yr":
        case "y":
          return n * y;
        case "weeks":
        case "week":
        case "w":
          return n * w;
        case "days":
        case "day":
        case "d":
          return n * d;
        case "hours":
        case "hour":
        case "hrs":
        case "hr":
        case "h":
          return n * h;
        case "minutes":
        case "minute":
        case "mins":
        case "min":
        case "m":
          return n * m;
        case "seconds":
        case "second":
        case "secs":
        case "sec":
        case "s":
          return n * s;
        case "milliseconds":
        case "millisecond":
        case "msecs":
        case "msec":
        case "ms":
          return n;
        default:
          return void 0;
      }
    }
    function fmtShort(ms) {
      var msAbs = Math.abs(ms);
      if (msAbs >= d) {
        return Math.round(ms / d) + "d";
      }
      if (msAbs >= h) {
        return Math.round(ms / h) + "h";
      }
      if (msAbs >= m) {
        return Math.round(ms / m) + "m";
      }
      if (msAbs >= s) {
        return Math.round(ms / s) + "s";
      }
      return ms + "ms";
    }
    function fmtLong(ms) {
      var msAbs = Math.abs(ms);
      if (msAbs >= d) {
        return plural(ms, msAbs, d, "day");
      }
      if (msAbs >= h) {
        return plural(ms, msAbs, h, "hour");
      }
      if (msAbs >= m) {
        return plural(ms, msAbs, m, "minute");
      }
      if (msAbs >= s) {
        return plural(ms, msAbs, s, "second");
      }
      return ms + " ms";
    }
    function plural(ms, msAbs, n, name) {
      var isPlural = msAbs >= n * 1.5;
      return Math.round(ms / n) + " " + name + (isPlural ? "s" : "");
    }
  }
});

// node_modules/humanize-ms/index.js
var require_humanize_ms = __commonJS({
  "node_modules/humanize-ms/index.js"(exports2, module2) {
    "use strict";
    var util = require("util");
    var ms = require_ms();
    module2.exports = function(t) {
      if (typeof t === "number") return t;
      var r = ms(t);
      if (r === void 0) {
        var err = new Error(util.format("humanize-ms(%j) result undefined", t));
        console.warn(err.stack);
      }
      return r;
    };
  }
});

// node_modules/agentkeepalive/lib/constants.js
var require_constants = __commonJS({
  "node_modules/agentkeepalive/lib/constants.js"(exports2, module2) {
    "use strict";
    module2.exports = {
      // agent
      CURRENT_ID: /* @__PURE__ */ Symbol("agentkeepalive#currentId"),
      CREATE_ID: /* @__PURE__ */ Symbol("agentkeepalive#createId"),
      INIT_SOCKET: /* @__PURE__ */ Symbol("agentkeepalive#initSocket"),
      CREATE_HTTPS_CONNECTION: /* @__PURE__ */ Symbol("agentkeepalive#createHttpsConnection"),
      // socket
      SOCKET_CREATED_TIME: /* @__PURE__ */ Symbol("agentkeepalive#socketCreatedTime"),
      SOCKET_NAME: /* @__PURE__ */ Symbol("agentkeepalive#socketName"),
      SOCKET_REQUEST_COUNT: /* @__PURE__ */ Symbol("agentkeepalive#socketRequestCount"),
      SOCKET_REQUEST_FINISHED_COUNT: /* @__PURE__ */ Symbol("agentkeepalive#socketRequestFinishedCount")
    };
  }
});

// node_modules/agentkeepalive/lib/agent.js
var require_agent = __commonJS({
  "node_modules/agentkeepalive/lib/agent.js"(exports2, module2) {
    "use strict";
    var OriginalAgent = require("http").Agent;
    var ms = require_humanize_ms();
    var debug = require("util").debuglog("agentkeepalive");
    var {
      INIT_SOCKET,
      CURRENT_ID,
      CREATE_ID,
      SOCKET_CREATED_TIME,
      SOCKET_NAME,
      SOCKET_REQUEST_COUNT,
      SOCKET_REQUEST_FINISHED_COUNT
    } = require_constants();
    var defaultTimeoutListenerCount = 1;
    var majorVersion = parseInt(process.version.split(".", 1)[0].substring(1));
    if (majorVersion >= 11 && majorVersion <= 12) {
      defaultTimeoutListenerCount = 2;
    } else if (majorVersion >= 13) {
      defaultTimeoutListenerCount = 3;
    }
    function deprecate(message) {
      console.log("[agentkeepalive:deprecated] %s", message);
    }
    var Agent = class extends OriginalAgent {
      constructor(options) {
        options = options || {};
        options.keepAlive = options.keepAlive !== false;
        if (options.freeSocketTimeout === void 0) {
          options.freeSocketTimeout = 4e3;
        }
        if (options.keepAliveTimeout) {
          deprecate("options.keepAliveTimeout is deprecated, please use options.freeSocketTimeout instead");
          options.freeSocketTimeout = options.keepAliveTimeout;
          delete options.keepAliveTimeout;
        }
        if (options.freeSocketKeepAliveTimeout) {
          deprecate("options.freeSocketKeepAliveTimeout is deprecated, please use options.freeSocketTimeout instead");
          options.freeSocketTimeout = options.freeSocketKeepAliveTimeout;
          delete options.freeSocketKeepAliveTimeout;
        }
        if (options.timeout === void 0) {
          options.timeout = Math.max(options.freeSocketTimeout * 2, 8e3);
        }
        options.timeout = ms(options.timeout);
        options.freeSocketTimeout = ms(options.freeSocketTimeout);
        options.socketActiveTTL = options.socketActiveTTL ? ms(options.socketActiveTTL) : 0;
        super(options);
        this[CURRENT_ID] = 0;
        this.createSocketCount = 0;
        this.createSocketCountLastCheck = 0;
        this.createSocketErrorCount = 0;
        this.createSocketErrorCountLastCheck = 0;
        this.closeSocketCount = 0;
        this.closeSocketCountLastCheck = 0;
        this.errorSocketCount = 0;
        this.errorSocketCountLastCheck = 0;
        this.requestCount = 0;
        this.requestCountLastCheck = 0;
        this.timeoutSocketCount = 0;
        this.timeoutSocketCountLastCheck = 0;
        this.on("free", (socket) => {
          const timeout = this.calcSocketTimeout(socket);
          if (timeout > 0 && socket.timeout !== timeout) {
            socket.setTimeout(timeout);
          }
        });
      }
      get freeSocketKeepAliveTimeout() {
        deprecate("agent.freeSocketKeepAliveTimeout is deprecated, please use agent.options.freeSocketTimeout instead");
        return this.options.freeSocketTimeout;
      }
      get timeout() {
        deprecate("agent.timeout is deprecated, please use agent.options.timeout instead");
        return this.options.timeout;
      }
      get socketActiveTTL() {
        deprecate("agent.socketActiveTTL is deprecated, please use agent.options.socketActiveTTL instead");
        return this.options.socketActiveTTL;
      }
      calcSocketTimeout(socket) {
        let freeSocketTimeout = this.options.freeSocketTimeout;
        const socketActiveTTL = this.options.socketActiveTTL;
        if (socketActiveTTL) {
          const aliveTime = Date.now() - socket[SOCKET_CREATED_TIME];
          const diff = socketActiveTTL - aliveTime;
          if (diff <= 0) {
            return diff;
          }
          if (freeSocketTimeout && diff < freeSocketTimeout) {
            freeSocketTimeout = diff;
          }
        }
        if (freeSocketTimeout) {
          const customFreeSocketTimeout = socket.freeSocketTimeout || socket.freeSocketKeepAliveTimeout;
          return customFreeSocketTimeout || freeSocketTimeout;
        }
      }
      keepSocketAlive(socket) {
        const result = super.keepSocketAlive(socket);
        if (!result) return result;
        const customTimeout = this.calcSocketTimeout(socket);
        if (typeof customTimeout === "undefined") {
          return true;
        }
        if (customTimeout <= 0) {
          debug(
            "%s(requests: %s, finished: %s) free but need to destroy by TTL, request count %s, diff is %s",
            socket[SOCKET_NAME],
            socket[SOCKET_REQUEST_COUNT],
            socket[SOCKET_REQUEST_FINISHED_COUNT],
            customTimeout
          );
          return false;
        }
        if (socket.timeout !== customTimeout) {
          socket.setTimeout(customTimeout);
        }
        return true;
      }
      // only call on addRequest
      reuseSocket(...args) {
        super.reuseSocket(...args);
        const socket = args[0];
        const req = args[1];
        req.reusedSocket = true;
        const agentTimeout = this.options.timeout;
        if (getSocketTimeout(socket) !== agentTimeout) {
          socket.setTimeout(agentTimeout);
          debug("%s reset timeout to %sms", socket[SOCKET_NAME], agentTimeout);
        }
        socket[SOCKET_REQUEST_COUNT]++;
        debug(
          "%s(requests: %s, finished: %s) reuse on addRequest, timeout %sms",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT],
          getSocketTimeout(socket)
        );
      }
      [CREATE_ID]() {
        const id = this[CURRENT_ID]++;
        if (this[CURRENT_ID] === Number.MAX_SAFE_INTEGER) this[CURRENT_ID] = 0;
        return id;
      }
      [INIT_SOCKET](socket, options) {
        if (options.timeout) {
          const timeout = getSocketTimeout(socket);
          if (!timeout) {
            socket.setTimeout(options.timeout);
          }
        }
        if (this.options.keepAlive) {
          socket.setNoDelay(true);
        }
        this.createSocketCount++;
        if (this.options.socketActiveTTL) {
          socket[SOCKET_CREATED_TIME] = Date.now();
        }
        socket[SOCKET_NAME] = `sock[${this[CREATE_ID]()}#${options._agentKey}]`.split("-----BEGIN", 1)[0];
        socket[SOCKET_REQUEST_COUNT] = 1;
        socket[SOCKET_REQUEST_FINISHED_COUNT] = 0;
        installListeners(this, socket, options);
      }
      createConnection(options, oncreate) {
        let called = false;
        const onNewCreate = (err, socket) => {
          if (called) return;
          called = true;
          if (err) {
            this.createSocketErrorCount++;
            return oncreate(err);
          }
          this[INIT_SOCKET](socket, options);
          oncreate(err, socket);
        };
        const newSocket = super.createConnection(options, onNewCreate);
        if (newSocket) onNewCreate(null, newSocket);
        return newSocket;
      }
      get statusChanged() {
        const changed = this.createSocketCount !== this.createSocketCountLastCheck || this.createSocketErrorCount !== this.createSocketErrorCountLastCheck || this.closeSocketCount !== this.closeSocketCountLastCheck || this.errorSocketCount !== this.errorSocketCountLastCheck || this.timeoutSocketCount !== this.timeoutSocketCountLastCheck || this.requestCount !== this.requestCountLastCheck;
        if (changed) {
          this.createSocketCountLastCheck = this.createSocketCount;
          this.createSocketErrorCountLastCheck = this.createSocketErrorCount;
          this.closeSocketCountLastCheck = this.closeSocketCount;
          this.errorSocketCountLastCheck = this.errorSocketCount;
          this.timeoutSocketCountLastCheck = this.timeoutSocketCount;
          this.requestCountLastCheck = this.requestCount;
        }
        return changed;
      }
      getCurrentStatus() {
        return {
          createSocketCount: this.createSocketCount,
          createSocketErrorCount: this.createSocketErrorCount,
          closeSocketCount: this.closeSocketCount,
          errorSocketCount: this.errorSocketCount,
          timeoutSocketCount: this.timeoutSocketCount,
          requestCount: this.requestCount,
          freeSockets: inspect(this.freeSockets),
          sockets: inspect(this.sockets),
          requests: inspect(this.requests)
        };
      }
    };
    function getSocketTimeout(socket) {
      return socket.timeout || socket._idleTimeout;
    }
    function installListeners(agent, socket, options) {
      debug("%s create, timeout %sms", socket[SOCKET_NAME], getSocketTimeout(socket));
      function onFree() {
        if (!socket._httpMessage && socket[SOCKET_REQUEST_COUNT] === 1) return;
        socket[SOCKET_REQUEST_FINISHED_COUNT]++;
        agent.requestCount++;
        debug(
          "%s(requests: %s, finished: %s) free",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT]
        );
        const name = agent.getName(options);
        if (socket.writable && agent.requests[name] && agent.requests[name].length) {
          socket[SOCKET_REQUEST_COUNT]++;
          debug(
            "%s(requests: %s, finished: %s) will be reuse on agent free event",
            socket[SOCKET_NAME],
            socket[SOCKET_REQUEST_COUNT],
            socket[SOCKET_REQUEST_FINISHED_COUNT]
          );
        }
      }
      socket.on("free", onFree);
      function onClose(isError) {
        debug(
          "%s(requests: %s, finished: %s) close, isError: %s",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT],
          isError
        );
        agent.closeSocketCount++;
      }
      socket.on("close", onClose);
      function onTimeout() {
        const listenerCount = socket.listeners("timeout").length;
        const timeout = getSocketTimeout(socket);
        const req = socket._httpMessage;
        const reqTimeoutListenerCount = req && req.listeners("timeout").length || 0;
        debug(
          "%s(requests: %s, finished: %s) timeout after %sms, listeners %s, defaultTimeoutListenerCount %s, hasHttpRequest %s, HttpRequest timeoutListenerCount %s",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT],
          timeout,
          listenerCount,
          defaultTimeoutListenerCount,
          !!req,
          reqTimeoutListenerCount
        );
        if (debug.enabled) {
          debug("timeout listeners: %s", socket.listeners("timeout").map((f) => f.name).join(", "));
        }
        agent.timeoutSocketCount++;
        const name = agent.getName(options);
        if (agent.freeSockets[name] && agent.freeSockets[name].indexOf(socket) !== -1) {
          socket.destroy();
          agent.removeSocket(socket, options);
          debug("%s is free, destroy quietly", socket[SOCKET_NAME]);
        } else {
          if (reqTimeoutListenerCount === 0) {
            const error = new Error("Socket timeout");
            error.code = "ERR_SOCKET_TIMEOUT";
            error.timeout = timeout;
            socket.destroy(error);
            agent.removeSocket(socket, options);
            debug("%s destroy with timeout error", socket[SOCKET_NAME]);
          }
        }
      }
      socket.on("timeout", onTimeout);
      function onError(err) {
        const listenerCount = socket.listeners("error").length;
        debug(
          "%s(requests: %s, finished: %s) error: %s, listenerCount: %s",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT],
          err,
          listenerCount
        );
        agent.errorSocketCount++;
        if (listenerCount === 1) {
          debug("%s emit uncaught error event", socket[SOCKET_NAME]);
          socket.removeListener("error", onError);
          socket.emit("error", err);
        }
      }
      socket.on("error", onError);
      function onRemove() {
        debug(
          "%s(requests: %s, finished: %s) agentRemove",
          socket[SOCKET_NAME],
          socket[SOCKET_REQUEST_COUNT],
          socket[SOCKET_REQUEST_FINISHED_COUNT]
        );
        socket.removeListener("close", onClose);
        socket.removeListener("error", onError);
        socket.removeListener("free", onFree);
        socket.removeListener("timeout", onTimeout);
        socket.removeListener("agentRemove", onRemove);
      }
      socket.on("agentRemove", onRemove);
    }
    module2.exports = Agent;
    function inspect(obj) {
      const res = {};
      for (const key in obj) {
        res[key] = obj[key].length;
      }
      return res;
    }
  }
});

// node_modules/agentkeepalive/lib/https_agent.js
var require_https_agent = __commonJS({
  "node_modules/agentkeepalive/lib/https_agent.js"(exports2, module2) {
    "use strict";
    var OriginalHttpsAgent = require("https").Agent;
    var HttpAgent2 = require_agent();
    var {
      INIT_SOCKET,
      CREATE_HTTPS_CONNECTION
    } = require_constants();
    var HttpsAgent2 = class extends HttpAgent2 {
      constructor(options) {
        super(options);
        this.defaultPort = 443;
        this.protocol = "https:";
        this.maxCachedSessions = this.options.maxCachedSessions;
        if (this.maxCachedSessions === void 0) {
          this.maxCachedSessions = 100;
        }
        this._sessionCache = {
          map: {},
          list: []
        };
      }
      createConnection(options, oncreate) {
        const socket = this[CREATE_HTTPS_CONNECTION](options, oncreate);
        this[INIT_SOCKET](socket, options);
        return socket;
      }
    };
    HttpsAgent2.prototype[CREATE_HTTPS_CONNECTION] = OriginalHttpsAgent.prototype.createConnection;
    [
      "getName",
      "_getSession",
      "_cacheSession",
      // https://github.com/nodejs/node/pull/4982
      "_evictSession"
    ].forEach(function(method) {
      if (typeof OriginalHttpsAgent.prototype[method] === "function") {
        HttpsAgent2.prototype[method] = OriginalHttpsAgent.prototype[method];
      }
    });
    module2.exports = HttpsAgent2;
  }
});

// node_modules/agentkeepalive/index.js
var require_agentkeepalive = __commonJS({
  "node_modules/agentkeepalive/index.js"(exports2, module2) {
    "use strict";
    var HttpAgent2 = require_agent();
    module2.exports = HttpAgent2;
    module2.exports.HttpAgent = HttpAgent2;
    module2.exports.HttpsAgent = require_https_agent();
    module2.exports.constants = require_constants();
  }
});

// node_modules/debug/src/common.js
var require_common = __commonJS({
  "node_modules/debug/src/common.js"(exports2, module2) {
    function setup(env) {
      createDebug2.debug = createDebug2;
      createDebug2.default = createDebug2;
      createDebug2.coerce = coerce;
      createDebug2.disable = disable;
      createDebug2.enable = enable;
      createDebug2.enabled = enabled;
      createDebug2.humanize = require_ms();
      createDebug2.destroy = destroy;
      Object.keys(env).forEach((key) => {
        createDebug2[key] = env[key];
      });
      createDebug2.names = [];
      createDebug2.skips = [];
      createDebug2.formatters = {};
      function selectColor(namespace) {
        let hash = 0;
        for (let i = 0; i < namespace.length; i++) {
          hash = (hash << 5) - hash + namespace.charCodeAt(i);
          hash |= 0;
        }
        return createDebug2.colors[Math.abs(hash) % createDebug2.colors.length];
      }
      createDebug2.selectColor = selectColor;
      function createDebug2(namespace) {
        let prevTime;
        let enableOverride = null;
        let namespacesCache;
        let enabledCache;
        function debug(...args) {
          if (!debug.enabled) {
            return;
          }
          const self = debug;
          const curr = Number(/* @__PURE__ */ new Date());
          const ms = curr - (prevTime || curr);
          self.diff = ms;
          self.prev = prevTime;
          self.curr = curr;
          prevTime = curr;
          args[0] = createDebug2.coerce(args[0]);
          if (typeof args[0] !== "string") {
            args.unshift("%O");
          }
          let index = 0;
          args[0] = args[0].replace(/%([a-zA-Z%])/g, (match, format) => {
            if (match === "%%") {
              return "%";
            }
            index++;
            const formatter = createDebug2.formatters[format];
            if (typeof formatter === "function") {
              const val = args[index];
              match = formatter.call(self, val);
              args.splice(index, 1);
              index--;
            }
            return match;
          });
          createDebug2.formatArgs.call(self, args);
          const logFn = self.log || createDebug2.log;
          logFn.apply(self, args);
        }
        debug.namespace = namespace;
        debug.useColors = createDebug2.useColors();
        debug.color = createDebug2.selectColor(namespace);
        debug.extend = extend;
        debug.destroy = createDebug2.destroy;
        Object.defineProperty(debug, "enabled", {
          enumerable: true,
          configurable: false,
          get: () => {
            if (enableOverride !== null) {
              return enableOverride;
            }
            if (namespacesCache !== createDebug2.namespaces) {
              namespacesCache = createDebug2.namespaces;
              enabledCache = createDebug2.enabled(namespace);
            }
            return enabledCache;
          },
          set: (v) => {
            enableOverride = v;
          }
        });
        if (typeof createDebug2.init === "function") {
          createDebug2.init(debug);
        }
        return debug;
      }
      function extend(namespace, delimiter) {
        const newDebug = createDebug2(this.namespace + (typeof delimiter === "undefined" ? ":" : delimiter) + namespace);
        newDebug.log = this.log;
        return newDebug;
      }
      function enable(namespaces) {
        createDebug2.save(namespaces);
        createDebug2.namespaces = namespaces;
        createDebug2.names = [];
        createDebug2.skips = [];
        const split = (typeof namespaces === "string" ? namespaces : "").trim().replace(/\s+/g, ",").split(",").filter(Boolean);
        for (const ns of split) {
          if (ns[0] === "-") {
            createDebug2.skips.push(ns.slice(1));
          } else {
            createDebug2.names.push(ns);
          }
        }
      }
      function matchesTemplate(search, template) {
        let searchIndex = 0;
        let templateIndex = 0;
        let starIndex = -1;
        let matchIndex = 0;
        while (searchIndex < search.length) {
          if (templateIndex < template.length && (template[templateIndex] === search[searchIndex] || template[templateIndex] === "*")) {
            if (template[templateIndex] === "*") {
              starIndex = templateIndex;
              matchIndex = searchIndex;
              templateIndex++;
            } else {
              searchIndex++;
              templateIndex++;
            }
          } else if (starIndex !== -1) {
            templateIndex = starIndex + 1;
            matchIndex++;
            searchIndex = matchIndex;
          } else {
            return false;
          }
        }
        while (templateIndex < template.length && template[templateIndex] === "*") {
          templateIndex++;
        }
        return templateIndex === template.length;
      }
      function disable() {
        const namespaces = [
          ...createDebug2.names,
          ...createDebug2.skips.map((namespace) => "-" + namespace)
        ].join(",");
        createDebug2.enable("");
        return namespaces;
      }
      function enabled(name) {
        for (const skip of createDebug2.skips) {
          if (matchesTemplate(name, skip)) {
            return false;
          }
        }
        for (const ns of createDebug2.names) {
          if (matchesTemplate(name, ns)) {
            return true;
          }
        }
        return false;
      }
      function coerce(val) {
        if (val instanceof Error) {
          return val.stack || val.message;
        }
        return val;
      }
      function destroy() {
        console.warn("Instance method `debug.destroy()` is deprecated and no longer does anything. It will be removed in the next major version of `debug`.");
      }
      createDebug2.enable(createDebug2.load());
      return createDebug2;
    }
    module2.exports = setup;
  }
});

// node_modules/debug/src/browser.js
var require_browser = __commonJS({
  "node_modules/debug/src/browser.js"(exports2, module2) {
    exports2.formatArgs = formatArgs;
    exports2.save = save;
    exports2.load = load;
    exports2.useColors = useColors;
    exports2.storage = localstorage();
    exports2.destroy = /* @__PURE__ */ (() => {
      let warned = false;
      return () => {
        if (!warned) {
          warned = true;
          console.warn("Instance method `debug.destroy()` is deprecated and no longer does anything. It will be removed in the next major version of `debug`.");
        }
      };
    })();
    exports2.colors = [
      "#0000CC",
      "#0000FF",
      "#0033CC",
      "#0033FF",
      "#0066CC",
      "#0066FF",
      "#0099CC",
      "#0099FF",
      "#00CC00",
      "#00CC33",
      "#00CC66",
      "#00CC99",
      "#00CCCC",
      "#00CCFF",
      "#3300CC",
      "#3300FF",
      "#3333CC",
      "#3333FF",
      "#3366CC",
      "#3366FF",
      "#3399CC",
      "#3399FF",
      "#33CC00",
      "#33CC33",
      "#33CC66",
      "#33CC99",
      "#33CCCC",
      "#33CCFF",
      "#6600CC",
      "#6600FF",
      "#6633CC",
      "#6633FF",
      "#66CC00",
      "#66CC33",
      "#9900CC",
      "#9900FF",
      "#9933CC",
      "#9933FF",
      "#99CC00",
      "#99CC33",
      "#CC0000",
      "#CC0033",
      "#CC0066",
      "#CC0099",
      "#CC00CC",
      "#CC00FF",
      "#CC3300",
      "#CC3333",
      "#CC3366",
      "#CC3399",
      "#CC33CC",
      "#CC33FF",
      "#CC6600",
      "#CC6633",
      "#CC9900",
      "#CC9933",
      "#CCCC00",
      "#CCCC33",
      "#FF0000",
      "#FF0033",
      "#FF0066",
      "#FF0099",
      "#FF00CC",
      "#FF00FF",
      "#FF3300",
      "#FF3333",
      "#FF3366",
      "#FF3399",
      "#FF33CC",
      "#FF33FF",
      "#FF6600",
      "#FF6633",
      "#FF9900",
      "#FF9933",
      "#FFCC00",
      "#FFCC33"
    ];
    function useColors() {
      if (typeof window !== "undefined" && window.process && (window.process.type === "renderer" || window.process.__nwjs)) {
        return true;
      }
      if (typeof navigator !== "undefined" && navigator.userAgent && navigator.userAgent.toLowerCase().match(/(edge|trident)\/(\d+)/)) {
        return false;
      }
      let m;
      return typeof document !== "undefined" && document.documentElement && document.documentElement.style && document.documentElement.style.WebkitAppearance || // Is firebug? http://stackoverflow.com/a/398120/376773
      typeof window !== "undefined" && window.console && (window.console.firebug || window.console.exception && window.console.table) || // Is firefox >= v31?
      // https://developer.mozilla.org/en-US/docs/Tools/Web_Console#Styling_messages
      typeof navigator !== "undefined" && navigator.userAgent && (m = navigator.userAgent.toLowerCase().match(/firefox\/(\d+)/)) && parseInt(m[1], 10) >= 31 || // Double check webkit in userAgent just in case we are in a worker
      typeof navigator !== "undefined" && navigator.userAgent && navigator.userAgent.toLowerCase().match(/applewebkit\/(\d+)/);
    }
    function formatArgs(args) {
      args[0] = (this.useColors ? "%c" : "") + this.namespace + (this.useColors ? " %c" : " ") + args[0] + (this.useColors ? "%c " : " ") + "+" + module2.exports.humanize(this.diff);
      if (!this.useColors) {
        return;
      }
      const c = "color: " + this.color;
      args.splice(1, 0, c, "color: inherit");
      let index = 0;
      let lastC = 0;
      args[0].replace(/%[a-zA-Z%]/g, (match) => {
        if (match === "%%") {
          return;
        }
        index++;
        if (match === "%c") {
          lastC = index;
        }
      });
      args.splice(lastC, 0, c);
    }
    exports2.log = console.debug || console.log || (() => {
    });
    function save(namespaces) {
      try {
        if (namespaces) {
          exports2.storage.setItem("debug", namespaces);
        } else {
          exports2.storage.removeItem("debug");
        }
      } catch (error) {
      }
    }
    function load() {
      let r;
      try {
        r = exports2.storage.getItem("debug") || exports2.storage.getItem("DEBUG");
      } catch (error) {
      }
      if (!r && typeof process !== "undefined" && "env" in process) {
        r = process.env.DEBUG;
      }
      return r;
    }
    function localstorage() {
      try {
        return localStorage;
      } catch (error) {
      }
    }
    module2.exports = require_common()(exports2);
    var { formatters } = module2.exports;
    formatters.j = function(v) {
      try {
        return JSON.stringify(v);
      } catch (error) {
        return "[UnexpectedJSONParseError]: " + error.message;
      }
    };
  }
});

// node_modules/debug/src/node.js
var require_node = __commonJS({
  "node_modules/debug/src/node.js"(exports2, module2) {
    var tty = require("tty");
    var util = require("util");
    exports2.init = init;
    exports2.log = log;
    exports2.formatArgs = formatArgs;
    exports2.save = save;
    exports2.load = load;
    exports2.useColors = useColors;
    exports2.destroy = util.deprecate(
      () => {
      },
      "Instance method `debug.destroy()` is deprecated and no longer does anything. It will be removed in the next major version of `debug`."
    );
    exports2.colors = [6, 2, 3, 4, 5, 1];
    try {
      const supportsColor = require("supports-color");
      if (supportsColor && (supportsColor.stderr || supportsColor).level >= 2) {
        exports2.colors = [
          20,
          21,
          26,
          27,
          32,
          33,
          38,
          39,
          40,
          41,
          42,
          43,
          44,
          45,
          56,
          57,
          62,
          63,
          68,
          69,
          74,
          75,
          76,
          77,
          78,
          79,
          80,
          81,
          92,
          93,
          98,
          99,
          112,
          113,
          128,
          129,
          134,
          135,
          148,
          149,
          160,
          161,
          162,
          163,
          164,
          165,
          166,
          167,
          168,
          169,
          170,
          171,
          172,
          173,
          178,
          179,
          184,
          185,
          196,
          197,
          198,
          199,
          200,
          201,
          202,
          203,
          204,
          205,
          206,
          207,
          208,
          209,
          214,
          215,
          220,
          221
        ];
      }
    } catch (error) {
    }
    exports2.inspectOpts = Object.keys(process.env).filter((key) => {
      return /^debug_/i.test(key);
    }).reduce((obj, key) => {
      const prop = key.substring(6).toLowerCase().replace(/_([a-z])/g, (_, k) => {
        return k.toUpperCase();
      });
      let val = process.env[key];
      if (/^(yes|on|true|enabled)$/i.test(val)) {
        val = true;
      } else if (/^(no|off|false|disabled)$/i.test(val)) {
        val = false;
      } else if (val === "null") {
        val = null;
      } else {
        val = Number(val);
      }
      obj[prop] = val;
      return obj;
    }, {});
    function useColors() {
      return "colors" in exports2.inspectOpts ? Boolean(exports2.inspectOpts.colors) : tty.isatty(process.stderr.fd);
    }
    function formatArgs(args) {
      const { namespace: name, useColors: useColors2 } = this;
      if (useColors2) {
        const c = this.color;
        const colorCode = "\x1B[3" + (c < 8 ? c : "8;5;" + c);
        const prefix = `  ${colorCode};1m${name} \x1B[0m`;
        args[0] = prefix + args[0].split("\n").join("\n" + prefix);
        args.push(colorCode + "m+" + module2.exports.humanize(this.diff) + "\x1B[0m");
      } else {
        args[0] = getDate() + name + " " + args[0];
      }
    }
    function getDate() {
      if (exports2.inspectOpts.hideDate) {
        return "";
      }
      return (/* @__PURE__ */ new Date()).toISOString() + " ";
    }
    function log(...args) {
      return process.stderr.write(util.formatWithOptions(exports2.inspectOpts, ...args) + "\n");
    }
    function save(namespaces) {
      if (namespaces) {
        process.env.DEBUG = namespaces;
      } else {
        delete process.env.DEBUG;
      }
    }
    function load() {
      return process.env.DEBUG;
    }
    function init(debug) {
      debug.inspectOpts = {};
      const keys = Object.keys(exports2.inspectOpts);
      for (let i = 0; i < keys.length; i++) {
        debug.inspectOpts[keys[i]] = exports2.inspectOpts[keys[i]];
      }
    }
    module2.exports = require_common()(exports2);
    var { formatters } = module2.exports;
    formatters.o = function(v) {
      this.inspectOpts.colors = this.useColors;
      return util.inspect(v, this.inspectOpts).split("\n").map((str) => str.trim()).join(" ");
    };
    formatters.O = function(v) {
      this.inspectOpts.colors = this.useColors;
      return util.inspect(v, this.inspectOpts);
    };
  }
});

// node_modules/debug/src/index.js
var require_src = __commonJS({
  "node_modules/debug/src/index.js"(exports2, module2) {
    if (typeof process === "undefined" || process.type === "renderer" || process.browser === true || process.__nwjs) {
      module2.exports = require_browser();
    } else {
      module2.exports = require_node();
    }
  }
});

// node_modules/json-stringify-safe/stringify.js
var require_stringify = __commonJS({
  "node_modules/json-stringify-safe/stringify.js"(exports2, module2) {
    exports2 = module2.exports = stringify2;
    exports2.getSerialize = serializer;
    function stringify2(obj, replacer, spaces, cycleReplacer) {
      return JSON.stringify(obj, serializer(replacer, cycleReplacer), spaces);
    }
    function serializer(replacer, cycleReplacer) {
      var stack = [], keys = [];
      if (cycleReplacer == null) cycleReplacer = function(key, value) {
        if (stack[0] === value) return "[Circular ~]";
        return "[Circular ~." + keys.slice(0, stack.indexOf(value)).join(".") + "]";
      };
      return function(key, value) {
        if (stack.length > 0) {
          var thisPos = stack.indexOf(this);
          ~thisPos ? stack.splice(thisPos + 1) : stack.push(this);
          ~thisPos ? keys.splice(thisPos, Infinity, key) : keys.push(key);
          if (~stack.indexOf(value)) value = cycleReplacer.call(this, key, value);
        } else stack.push(value);
        return replacer == null ? value : replacer.call(this, key, value);
      };
    }
  }
});

// node_modules/fhir-kit-client/dist/logging.js
function inspectHeaders(headers) {
  if (headers !== null && typeof headers === "object" && "raw" in headers && typeof headers.raw === "function") {
    return (0, import_json_stringify_safe.default)(headers.raw());
  }
  return (0, import_json_stringify_safe.default)(headers);
}
function logRequestError(error) {
  if (!errorLogger.enabled)
    return;
  errorLogger("!!! Error");
  if (error.response) {
    errorLogger(`    Status: ${error.response.status}`);
  }
  if (error.config) {
    errorLogger(`    ${(error.config.method ?? "").toUpperCase()}: ${error.config.url}`);
    errorLogger(`    Headers: ${inspectHeaders(error.config.headers)}`);
  }
  if (error.response?.data) {
    errorLogger((0, import_json_stringify_safe.default)(error.response.data));
  }
  errorLogger("!!! Request Error");
}
function logRequestInfo(action, url, headers) {
  if (!infoLogger.enabled)
    return;
  if (url)
    infoLogger(`Request: ${action.toUpperCase()} ${url}`);
  if (headers !== void 0)
    infoLogger(`Request Headers: ${inspectHeaders(headers)}`);
}
function logResponseInfo(response) {
  if (!infoLogger.enabled)
    return;
  infoLogger(`Response: ${response.status}`);
  if (response.data)
    infoLogger((0, import_json_stringify_safe.default)(response.data));
}
function logError(error) {
  if (!errorLogger.enabled)
    return;
  errorLogger(error);
}
var import_debug, import_json_stringify_safe, errorLogger, infoLogger;
var init_logging = __esm({
  "node_modules/fhir-kit-client/dist/logging.js"() {
    import_debug = __toESM(require_src(), 1);
    import_json_stringify_safe = __toESM(require_stringify(), 1);
    errorLogger = (0, import_debug.default)("fhir-kit-client:error");
    infoLogger = (0, import_debug.default)("fhir-kit-client:info");
  }
});

// node_modules/fhir-kit-client/dist/types.js
var RESPONSE_KEY, REQUEST_KEY;
var init_types = __esm({
  "node_modules/fhir-kit-client/dist/types.js"() {
    RESPONSE_KEY = "__response";
    REQUEST_KEY = "__request";
  }
});

// node_modules/fhir-kit-client/dist/http-client.js
function normalizeSignal(signal) {
  if (signal instanceof AbortSignal)
    return signal;
  const controller = new AbortController();
  if (signal.aborted) {
    controller.abort(signal.reason);
  } else {
    signal.addEventListener("abort", () => controller.abort(signal.reason), { once: true });
  }
  return controller.signal;
}
function stringifyBody(body) {
  if (body === void 0)
    return void 0;
  if (typeof body === "string")
    return body;
  return JSON.stringify(body);
}
function lcKeys(obj) {
  if (!obj)
    return {};
  return Object.fromEntries(Object.entries(obj).map(([k, v]) => [k.toLowerCase(), v]));
}
function buildResponseError(config) {
  const error = Object.assign(new Error(`HTTP ${config.status}: ${config.method} ${config.url}`), {
    response: { status: config.status, data: config.data },
    config
  });
  logRequestError(error);
  return error;
}
var import_agentkeepalive, HttpsAgent, defaultHeaders, HttpClient;
var init_http_client = __esm({
  "node_modules/fhir-kit-client/dist/http-client.js"() {
    import_agentkeepalive = __toESM(require_agentkeepalive(), 1);
    init_logging();
    init_types();
    ({ HttpsAgent } = import_agentkeepalive.default);
    defaultHeaders = { accept: "application/fhir+json" };
    HttpClient = class {
      baseUrlValue;
      customHeaders;
      baseRequestOptions;
      requestSigner;
      authHeader = {};
      /** Keepalive agents keyed by base URL, reused across requests on this instance. */
      agentCache = /* @__PURE__ */ new Map();
      constructor({ baseUrl, customHeaders = {}, requestOptions = {}, requestSigner }) {
        this.baseUrlValue = "";
        this.baseUrl = baseUrl;
        this.customHeaders = customHeaders;
        this.baseRequestOptions = requestOptions;
        this.requestSigner = requestSigner;
      }
      set baseUrl(url) {
        if (!url)
          throw new Error("baseUrl cannot be blank");
        if (typeof url !== "string")
          throw new Error("baseUrl must be a string");
        this.baseUrlValue = url;
      }
      get baseUrl() {
        return this.baseUrlValue;
      }
      set bearerToken(token) {
        this.authHeader = { authorization: `Bearer ${token}` };
      }
      static responseFor(requestResponse) {
        return requestResponse[RESPONSE_KEY];
      }
      static requestFor(requestResponse) {
        return requestResponse[REQUEST_KEY];
      }
      mergeHeaders(requestHeaders) {
        return {
          ...lcKeys(defaultHeaders),
          ...lcKeys(this.authHeader),
          ...lcKeys(this.customHeaders),
          ...lcKeys(requestHeaders)
        };
      }
      buildAgent() {
        const cached = this.agentCache.get(this.baseUrl);
        if (cached)
          return cached;
        const agent = this.baseUrl.startsWith("https") ? { agent: new HttpsAgent() } : { agent: new import_agentkeepalive.default() };
        this.agentCache.set(this.baseUrl, agent);
        return agent;
      }
      expandUrl(url = "") {
        if (url.toLowerCase().startsWith("http"))
          return url;
        if (this.baseUrl.endsWith("/") && url.startsWith("/"))
          return this.baseUrl + url.slice(1);
        if (this.baseUrl.endsWith("/") || url.startsWith("/"))
          return this.baseUrl + url;
        return `${this.baseUrl}/${url}`;
      }
      async buildRequest(method, url, options, body) {
        const { postSearch: _postSearch, headers: _headers, signal: _signal, ...passthrough } = options;
        const requestInit = {
          ...this.baseRequestOptions,
          method,
          body: stringifyBody(body),
          headers: new Headers(this.mergeHeaders(options.headers)),
          keepalive: true,
          ...this.buildAgent(),
          ...passthrough
        };
        if (options.signal)
          requestInit.signal = normalizeSignal(options.signal);
        if (this.requestSigner) {
          await this.requestSigner(url, requestInit);
        }
        return new Request(url, requestInit);
      }
      async request(method, requestUrl, options = {}, body) {
        const url = this.expandUrl(requestUrl);
        const req = await this.buildRequest(method, url, options, body);
        logRequestInfo(method, url, req.headers);
        const response = await fetch(req);
        const { status } = response;
        logResponseInfo({ status });
        const bodyText = await response.text();
        let data = {};
        if (bodyText) {
          try {
            data = JSON.parse(bodyText);
          } catch {
            const err = buildResponseError({ status, data: bodyText, method, headers: response.headers, url });
            throw err;
          }
        }
        if (!response.ok) {
          throw buildResponseError({ status, data, method, headers: response.headers, url });
        }
        const result = data;
        Object.defineProperty(result, RESPONSE_KEY, { writable: false, enumerable: false, value: response });
        Object.defineProperty(result, REQUEST_KEY, { writable: false, enumerable: false, value: req });
        return result;
      }
      async get(url, options) {
        return this.request("GET", url, options);
      }
      async delete(url, options) {
        return this.request("DELETE", url, options);
      }
      async put(url, body, options = {}) {
        const headers = { "content-type": "application/fhir+json", ...lcKeys(options.headers) };
        return this.request("PUT", url, { ...options, headers }, body);
      }
      async post(url, body, options = {}) {
        const headers = { "content-type": "application/fhir+json", ...lcKeys(options.headers) };
        return this.request("POST", url, { ...options, headers }, body);
      }
      async patch(url, body, options = {}) {
        return this.request("PATCH", url, options, body);
      }
    };
  }
});

// node_modules/fhir-kit-client/dist/pagination.js
var Pagination;
var init_pagination = __esm({
  "node_modules/fhir-kit-client/dist/pagination.js"() {
    Pagination = class {
      httpClient;
      constructor(httpClient) {
        this.httpClient = httpClient;
      }
      nextPage(bundle, options) {
        const link = bundle.link?.find((l) => l.relation === "next");
        return link ? this.httpClient.get(link.url, options) : void 0;
      }
      prevPage(bundle, options) {
        const link = bundle.link?.find((l) => /^prev(ious)?$/.test(l.relation));
        return link ? this.httpClient.get(link.url, options) : void 0;
      }
    };
  }
});

// node_modules/fhir-kit-client/dist/fhir-regular-expressions.js
var fhirReferenceRegEx;
var init_fhir_regular_expressions = __esm({
  "node_modules/fhir-kit-client/dist/fhir-regular-expressions.js"() {
    fhirReferenceRegEx = /^((http|https):\/\/([A-Za-z0-9\\.:%$]*\/)*)?(Account|ActivityDefinition|AdverseEvent|AllergyIntolerance|Appointment|AppointmentResponse|AuditEvent|Basic|Binary|BiologicallyDerivedProduct|BodySite|BodyStructure|Bundle|CapabilityStatement|CarePlan|CareTeam|CatalogEntry|ChargeItem|ChargeItemDefinition|Claim|ClaimResponse|ClinicalImpression|CodeSystem|Communication|CommunicationRequest|CompartmentDefinition|Composition|ConceptMap|Condition|Conformance|Consent|Contract|Coverage|CoverageEligibilityRequest|CoverageEligibilityResponse|DataElement|DecisionSupportRule|DecisionSupportServiceModule|DetectedIssue|Device|DeviceComponent|DeviceDefinition|DeviceMetric|DeviceRequest|DeviceUseRequest|DeviceUseStatement|DiagnosticOrder|DiagnosticReport|DiagnosticRequest|DocumentManifest|DocumentReference|EffectEvidenceSynthesis|EligibilityRequest|EligibilityResponse|Encounter|Endpoint|EnrollmentRequest|EnrollmentResponse|EntryDefinition|EpisodeOfCare|EventDefinition|Evidence|EvidenceVariable|ExampleScenario|ExpansionProfile|ExplanationOfBenefit|FamilyMemberHistory|Flag|Goal|GraphDefinition|Group|GuidanceRequest|GuidanceResponse|HealthcareService|ImagingExcerpt|ImagingManifest|ImagingObjectSelection|ImagingStudy|Immunization|ImmunizationEvaluation|ImmunizationRecommendation|ImplementationGuide|ImplementationGuideInput|ImplementationGuideOutput|InsurancePlan|Invoice|ItemInstance|Library|Linkage|List|Location|Measure|MeasureReport|Media|Medication|MedicationAdministration|MedicationDispense|MedicationKnowledge|MedicationOrder|MedicationRequest|MedicationStatement|MedicinalProduct|MedicinalProductAuthorization|MedicinalProductClinicals|MedicinalProductContraindication|MedicinalProductDeviceSpec|MedicinalProductIndication|MedicinalProductIngredient|MedicinalProductInteraction|MedicinalProductManufactured|MedicinalProductPackaged|MedicinalProductPharmaceutical|MedicinalProductUndesirableEffect|MessageDefinition|MessageHeader|ModuleDefinition|ModuleMetadata|MolecularSequence|NamingSystem|NutritionOrder|NutritionRequest|Observation|ObservationDefinition|OccupationalData|OperationDefinition|OperationOutcome|Order|OrderResponse|OrderSet|Organization|OrganizationAffiliation|OrganizationRole|Patient|PaymentNotice|PaymentReconciliation|Person|PlanDefinition|Practitioner|PractitionerRole|Procedure|ProcedureRequest|ProcessRequest|ProcessResponse|ProductPlan|Protocol|Provenance|Questionnaire|QuestionnaireResponse|ReferralRequest|RelatedPerson|RequestGroup|ResearchDefinition|ResearchElementDefinition|ResearchStudy|ResearchSubject|RiskAssessment|RiskEvidenceSynthesis|Schedule|SearchParameter|Sequence|ServiceDefinition|ServiceRequest|Slot|Specimen|SpecimenDefinition|StructureDefinition|StructureMap|Subscription|Substance|SubstanceNucleicAcid|SubstancePolymer|SubstanceProtein|SubstanceReferenceInformation|SubstanceSourceMaterial|SubstanceSpecification|SupplyDelivery|SupplyRequest|Task|TerminologyCapabilities|TestReport|TestScript|UserSession|ValueSet|VerificationResult|VisionPrescription)\/[A-Za-z0-9\-.]{1,256}(\/_history\/[A-Za-z0-9\-.]{1,256})?$/;
  }
});

// node_modules/fhir-kit-client/dist/utils.js
function splitReference(reference) {
  if (!fhirReferenceRegEx.test(reference)) {
    throw new Error(`${reference} is not a recognized FHIR reference`);
  }
  let baseUrl;
  let relativeReference = reference;
  if (reference.startsWith("http")) {
    const match = fhirReferenceRegEx.exec(reference);
    if (match?.[1]) {
      baseUrl = match[1];
      relativeReference = reference.slice(baseUrl.length);
      if (baseUrl.endsWith("/")) {
        baseUrl = baseUrl.slice(0, -1);
      }
    }
  }
  const [resourceType, id] = relativeReference.split("/");
  return { baseUrl, resourceType, id };
}
function validResourceType(resourceType) {
  if (!resourceType)
    return false;
  return !resourceType.startsWith("/") && !resourceType.includes(":") && /\S/.test(resourceType);
}
function createQueryString(queryParams) {
  if (!queryParams || Object.keys(queryParams).length === 0)
    return void 0;
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries(queryParams)) {
    if (Array.isArray(value)) {
      for (const v of value) {
        params.append(key, String(v));
      }
    } else {
      params.append(key, String(value));
    }
  }
  return params.toString();
}
var init_utils = __esm({
  "node_modules/fhir-kit-client/dist/utils.js"() {
    init_fhir_regular_expressions();
  }
});

// node_modules/fhir-kit-client/dist/reference-resolver.js
var ReferenceResolver;
var init_reference_resolver = __esm({
  "node_modules/fhir-kit-client/dist/reference-resolver.js"() {
    init_utils();
    ReferenceResolver = class {
      client;
      constructor(client) {
        this.client = client;
      }
      async resolve({ reference, context, options }) {
        if (context === void 0) {
          if (reference.startsWith("http")) {
            return this.resolveAbsoluteReference(reference, options);
          }
          return this.client.httpClient.get(reference, options);
        }
        if (reference.startsWith("#")) {
          return this.resolveContainedReference(reference, context);
        }
        return this.resolveBundleReference(reference, context, options);
      }
      async resolveAbsoluteReference(reference, options) {
        if (reference.startsWith(this.client.baseUrl)) {
          return this.client.httpClient.get(reference, options);
        }
        const { baseUrl, resourceType, id } = splitReference(reference);
        if (!baseUrl) {
          throw new Error(`Unable to resolve absolute reference without a base URL: ${reference}`);
        }
        const { Client: Client2 } = await Promise.resolve().then(() => (init_client(), client_exports));
        return new Client2({ baseUrl }).read({ resourceType, id, options });
      }
      resolveContainedReference(reference, context) {
        const contained = context.contained;
        if (contained) {
          const referenceId = reference.slice(1);
          const resource = contained.find((r) => r.id === referenceId);
          if (resource)
            return resource;
        }
        throw new Error(`Unable to resolve contained reference: ${reference}`);
      }
      async resolveBundleReference(reference, bundle, options) {
        const entries = bundle.entry;
        const referenceRegEx = new RegExp(`(^|/)${reference}$`);
        const entry = entries?.find((e) => e.fullUrl && referenceRegEx.test(e.fullUrl));
        if (!entry?.resource) {
          return this.resolve({ reference, options });
        }
        return entry.resource;
      }
    };
  }
});

// node_modules/fhir-kit-client/dist/smart.js
function authFromCapability(capabilityStatement) {
  const authMetadata = {};
  try {
    const restItems = capabilityStatement.rest;
    if (!restItems)
      return authMetadata;
    for (const restItem of restItems) {
      const uris = restItem.security?.extension?.find((x) => x.url === smartOauthUrl);
      if (!uris?.extension)
        continue;
      for (const ext of uris.extension) {
        if (!ext.valueUri)
          continue;
        switch (ext.url) {
          case "authorize":
            authMetadata.authorizeUrl = new URL(ext.valueUri);
            break;
          case "token":
            authMetadata.tokenUrl = new URL(ext.valueUri);
            break;
          case "register":
            authMetadata.registerUrl = new URL(ext.valueUri);
            break;
          case "manage":
            authMetadata.manageUrl = new URL(ext.valueUri);
            break;
        }
      }
    }
  } catch (error) {
    logError(error);
  }
  return authMetadata;
}
function authFromWellKnown(wellKnown) {
  const config = wellKnown;
  return {
    authorizeUrl: config.authorization_endpoint ? new URL(config.authorization_endpoint) : void 0,
    tokenUrl: config.token_endpoint ? new URL(config.token_endpoint) : void 0,
    registerUrl: config.registration_endpoint ? new URL(config.registration_endpoint) : void 0
  };
}
var smartOauthUrl;
var init_smart = __esm({
  "node_modules/fhir-kit-client/dist/smart.js"() {
    init_logging();
    smartOauthUrl = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris";
  }
});

// node_modules/fhir-kit-client/dist/client.js
var client_exports = {};
__export(client_exports, {
  Client: () => Client
});
var Client;
var init_client = __esm({
  "node_modules/fhir-kit-client/dist/client.js"() {
    init_http_client();
    init_pagination();
    init_reference_resolver();
    init_smart();
    init_utils();
    Client = class {
      /** Underlying HTTP client — exposed for advanced use cases. */
      httpClient;
      /** Pagination helper. */
      pagination;
      resolver;
      /**
       * @param config - Client configuration. `baseUrl` is required.
       * @throws If `baseUrl` is blank or not a string.
       */
      constructor({ baseUrl, customHeaders, requestOptions, requestSigner, bearerToken } = {}) {
        this.httpClient = new HttpClient({ baseUrl, customHeaders, requestOptions, requestSigner });
        if (bearerToken) {
          this.httpClient.bearerToken = bearerToken;
        }
        this.resolver = new ReferenceResolver(this);
        this.pagination = new Pagination(this.httpClient);
      }
      /**
       * Return the raw `Request` and `Response` objects attached to a FHIR
       * response value by the HTTP layer.
       *
       * @param requestResponse - A FHIR resource returned by any client method.
       * @returns `{ request, response }` — either may be `undefined` for synthetic responses.
       */
      static httpFor(requestResponse) {
        return {
          request: HttpClient.requestFor(requestResponse),
          response: HttpClient.responseFor(requestResponse)
        };
      }
      /** FHIR server base URL. */
      get baseUrl() {
        return this.httpClient.baseUrl;
      }
      set baseUrl(url) {
        this.httpClient.baseUrl = url;
      }
      /** Custom headers sent with every request. */
      get customHeaders() {
        return this.httpClient.customHeaders;
      }
      set customHeaders(headers) {
        this.httpClient.customHeaders = headers;
      }
      /** Set the OAuth2 bearer token used for Authorization headers. */
      set bearerToken(token) {
        this.httpClient.bearerToken = token;
      }
      /**
       * Resolve a FHIR reference to a resource.
       *
       * - **Absolute URL** (`http://...`): fetches directly or creates a new client for a foreign base URL.
       * - **Relative URL** (`Patient/123`): fetches from this client's `baseUrl`.
       * - **Contained reference** (`#id`): resolved from `context.contained[]`.
       * - **Bundle-scoped reference**: resolved from `context.entry[].fullUrl`.
       *
       * @param params.reference - The reference string to resolve.
       * @param params.context - Optional Bundle or resource that may contain the referenced resource.
       * @param params.options - Per-request options.
       * @returns The resolved FHIR resource.
       */
      resolve({ reference, context, options }) {
        return this.resolver.resolve({ reference, context, options });
      }
      /**
       * Fetch SMART OAuth 2.0 authorization metadata from the server.
       *
       * Races three sources simultaneously and resolves with the first successful
       * response: `.well-known/smart-configuration`, `metadata` (CapabilityStatement),
       * and `.well-known/openid-configuration`. Rejects only if all three fail.
       *
       * @param params.options - Per-request options.
       * @returns SMART auth metadata containing `authorizeUrl`, `tokenUrl`, etc.
       */
      async smartAuthMetadata({ options = {} } = {}) {
        const fetchOptions = {
          ...options,
          headers: { accept: "application/fhir+json,application/json", ...options.headers }
        };
        const base = this.baseUrl.replace(/\/*$/, "/");
        const controllers = Array.from({ length: 3 }, () => new AbortController());
        const abortOthers = (winner) => controllers.forEach((c, i) => {
          if (i !== winner)
            c.abort();
        });
        return Promise.any([
          this.httpClient.request("GET", `${base}.well-known/smart-configuration`, { ...fetchOptions, signal: controllers[0].signal }).then((r) => {
            abortOthers(0);
            return authFromWellKnown(r);
          }),
          this.capabilityStatement({ ...fetchOptions, signal: controllers[1].signal }).then((r) => {
            abortOthers(1);
            return authFromCapability(r);
          }),
          this.httpClient.request("GET", `${base}.well-known/openid-configuration`, { ...fetchOptions, signal: controllers[2].signal }).then((r) => {
            abortOthers(2);
            return authFromWellKnown(r);
          })
        ]);
      }
      /**
       * Fetch the server's CapabilityStatement.
       *
       * @param options - Per-request options.
       * @returns The CapabilityStatement resource.
       */
      capabilityStatement(options) {
        return this.httpClient.get("metadata", options);
      }
      /**
       * Execute a raw request against the FHIR server. Useful for endpoints not
       * covered by higher-level methods.
       *
       * @param requestUrl - Path or absolute URL to request.
       * @param params.method - HTTP method (default: `'GET'`).
       * @param params.options - Per-request options.
       * @param params.body - Request body (will be JSON-serialized if an object).
       * @returns The parsed FHIR response.
       *
       * @example
       * ```ts
       * client.request('Patient/123')
       * client.request('Patient/123', { method: 'DELETE' })
       * client.request('Patient', { method: 'POST', body: newPatient })
       * ```
       */
      request(requestUrl, { method = "GET", options = {}, body } = {}) {
        return this.httpClient.request(method, requestUrl, options, body);
      }
      /**
       * Read a resource by type and id (FHIR `read` interaction).
       *
       * @param params.resourceType - FHIR resource type (e.g. `'Patient'`).
       * @param params.id - Resource id.
       * @param params.options - Per-request options.
       * @returns The requested resource.
       * @throws If `resourceType` is invalid or the server returns an error.
       */
      read({ resourceType, id, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.get(`${resourceType}/${id}`, options);
      }
      /**
       * Read a specific version of a resource (FHIR `vread` interaction).
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.id - Resource id.
       * @param params.version - Version id.
       * @param params.options - Per-request options.
       * @returns The specified version of the resource.
       * @throws If `resourceType` is invalid or the server returns an error.
       */
      vread({ resourceType, id, version, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.get(`${resourceType}/${id}/_history/${version}`, options);
      }
      /**
       * Create a new resource (FHIR `create` interaction).
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.body - The resource to create.
       * @param params.options - Per-request options.
       * @returns The created resource (with server-assigned id).
       * @throws If `resourceType` is invalid or the server returns an error.
       */
      create({ resourceType, body, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.post(resourceType, body, options);
      }
      /**
       * Delete a resource by type and id (FHIR `delete` interaction).
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.id - Resource id.
       * @param params.options - Per-request options.
       * @returns The server's response (often an OperationOutcome).
       * @throws If `resourceType` is invalid or the server returns an error.
       */
      delete({ resourceType, id, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.delete(`${resourceType}/${id}`, options);
      }
      /**
       * Update a resource (FHIR `update` interaction).
       *
       * Supports conditional update via `searchParams` (sets the `If-Match`
       * criteria). Provide either `id` or `searchParams`, not both.
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.id - Resource id (mutually exclusive with `searchParams`).
       * @param params.searchParams - Conditional update criteria (mutually exclusive with `id`).
       * @param params.body - The updated resource.
       * @param params.options - Per-request options.
       * @returns The updated resource.
       * @throws If `resourceType` is invalid, both or neither of `id`/`searchParams` are provided,
       *   or the server returns an error.
       */
      update({ resourceType, id, searchParams, body, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        if (id && searchParams)
          throw new Error("Cannot specify both id and searchParams for update");
        if (!id && !searchParams)
          throw new Error("update requires either id or searchParams");
        if (searchParams) {
          const query = createQueryString(searchParams);
          return this.httpClient.put(`${resourceType}?${query}`, body, options);
        }
        return this.httpClient.put(`${resourceType}/${id}`, body, options);
      }
      /**
       * Patch a resource using JSON Patch (RFC 6902) (FHIR `patch` interaction).
       *
       * Sends `Content-Type: application/json-patch+json`.
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.id - Resource id.
       * @param params.jsonPatch - Array of RFC 6902 patch operations.
       * @param params.options - Per-request options.
       * @returns The patched resource.
       * @throws If `resourceType` is invalid or the server returns an error.
       */
      patch({ resourceType, id, jsonPatch, options = {} }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        const headers = { ...options.headers, "Content-Type": "application/json-patch+json" };
        return this.httpClient.patch(`${resourceType}/${id}`, jsonPatch, { ...options, headers });
      }
      /**
       * Submit a batch Bundle (FHIR `batch` interaction).
       *
       * The `body.type` field must be `'batch'`. Each entry is processed
       * independently; partial failures are reported per-entry in the response.
       *
       * @param params.body - A FHIR Bundle resource with `type: 'batch'`.
       * @param params.options - Per-request options.
       * @returns The batch response Bundle.
       */
      batch({ body, options }) {
        return this.httpClient.post("/", body, options);
      }
      /**
       * Submit a transaction Bundle (FHIR `transaction` interaction).
       *
       * The `body.type` field must be `'transaction'`. All entries succeed or
       * fail together (atomic).
       *
       * @param params.body - A FHIR Bundle resource with `type: 'transaction'`.
       * @param params.options - Per-request options.
       * @returns The transaction response Bundle.
       */
      transaction({ body, options }) {
        return this.httpClient.post("/", body, options);
      }
      /**
       * Invoke a FHIR operation (`$name`) at the system, type, or instance level.
       *
       * @param params.name - Operation name with or without leading `$`.
       * @param params.resourceType - Scopes the operation to a resource type (type/instance level).
       * @param params.id - Scopes the operation to a specific instance (instance level).
       * @param params.method - `'GET'` or `'POST'` (default: `'POST'`).
       * @param params.input - Parameters resource (POST) or query parameters (GET).
       * @param params.options - Per-request options.
       * @returns The operation output resource.
       */
      operation({ name, resourceType, id, method = "POST", input, options = {} }) {
        const urlParts = ["/"];
        if (resourceType) {
          if (!validResourceType(resourceType))
            throw new Error(`Invalid resourceType: ${resourceType}`);
          urlParts.push(`${resourceType}/`);
        }
        if (id)
          urlParts.push(`${id}/`);
        urlParts.push(name.startsWith("$") ? name : `$${name}`);
        const url = urlParts.join("");
        if (method === "POST") {
          return this.httpClient.post(url, input, options);
        }
        const getUrl = input ? `${url}?${createQueryString(input)}` : url;
        return this.httpClient.get(getUrl, options);
      }
      /**
       * Return the next page of a Bundle search result.
       *
       * @param params.bundle - A Bundle with a `link` array containing a `next` relation.
       * @param params.options - Per-request options.
       * @returns The next page Bundle, or `undefined` if there is no next page.
       */
      nextPage({ bundle, options }) {
        return this.pagination.nextPage(bundle, options);
      }
      /**
       * Return the previous page of a Bundle search result.
       *
       * @param params.bundle - A Bundle with a `link` array containing a `previous` relation.
       * @param params.options - Per-request options.
       * @returns The previous page Bundle, or `undefined` if there is no previous page.
       */
      prevPage({ bundle, options }) {
        return this.pagination.prevPage(bundle, options);
      }
      /**
       * Search for resources. Dispatches to the appropriate search variant based on parameters:
       *
       * - `compartment + resourceType` → compartment search
       * - `resourceType` only → type-level search
       * - `searchParams` only → system-wide search
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.compartment - Compartment `{ resourceType, id }`.
       * @param params.searchParams - Search query parameters.
       * @param params.options - Per-request options. Set `postSearch: true` to use POST.
       * @returns A search result Bundle.
       * @throws If `resourceType` is invalid or insufficient parameters are provided.
       */
      search({ resourceType, compartment, searchParams, options } = {}) {
        if (resourceType && !validResourceType(resourceType)) {
          throw new Error(`Invalid resourceType: ${resourceType}`);
        }
        if (compartment && resourceType) {
          return this.compartmentSearch({ resourceType, compartment, searchParams, options });
        }
        if (resourceType) {
          return this.resourceSearch({ resourceType, searchParams, options });
        }
        if (searchParams && Object.keys(searchParams).length > 0) {
          return this.systemSearch({ searchParams, options });
        }
        throw new Error("search requires either searchParams or a resourceType");
      }
      /**
       * Search within a specific resource type (FHIR type-level search).
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.searchParams - Query parameters.
       * @param params.options - Per-request options. Set `postSearch: true` to POST to `_search`.
       * @returns A search result Bundle.
       */
      resourceSearch({ resourceType, searchParams, options = {} }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        const searchPath = options.postSearch ? `${resourceType}/_search` : resourceType;
        return this.baseSearch({ searchPath, searchParams, options });
      }
      /**
       * System-wide search across all resource types.
       *
       * @param params.searchParams - Query parameters.
       * @param params.options - Per-request options. Set `postSearch: true` to POST to `/_search`.
       * @returns A search result Bundle.
       */
      systemSearch({ searchParams, options = {} } = {}) {
        const searchPath = options.postSearch ? "/_search" : "/";
        return this.baseSearch({ searchPath, searchParams, options });
      }
      /**
       * Search within a FHIR compartment.
       *
       * @param params.resourceType - Resource type to search within the compartment.
       * @param params.compartment - Compartment `{ resourceType, id }`.
       * @param params.searchParams - Query parameters.
       * @param params.options - Per-request options.
       * @returns A search result Bundle.
       */
      compartmentSearch({ resourceType, compartment, searchParams, options = {} }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        if (!validResourceType(compartment.resourceType)) {
          throw new Error(`Invalid compartment resourceType: ${compartment.resourceType}`);
        }
        let searchPath = `/${compartment.resourceType}/${compartment.id}/${resourceType}`;
        if (options.postSearch)
          searchPath += "/_search";
        return this.baseSearch({ searchPath, searchParams, options });
      }
      baseSearch({ searchPath, searchParams, options = {} }) {
        if (options.postSearch) {
          const query2 = createQueryString(searchParams) ?? "";
          const headers = { "Content-Type": "application/x-www-form-urlencoded", ...options.headers };
          return this.httpClient.post(searchPath, query2, { ...options, headers });
        }
        const query = createQueryString(searchParams);
        const url = query ? `${searchPath}?${query}` : searchPath;
        return this.httpClient.get(url, options);
      }
      /**
       * Retrieve history. Dispatches to instance-, type-, or system-level history
       * based on the parameters provided.
       *
       * @param params.resourceType - Scopes to type or instance history.
       * @param params.id - Combined with `resourceType` for instance history.
       * @param params.options - Per-request options.
       * @returns A history Bundle.
       */
      history({ resourceType, id, options } = {}) {
        if (resourceType && !validResourceType(resourceType)) {
          throw new Error(`Invalid resourceType: ${resourceType}`);
        }
        if (id && resourceType)
          return this.resourceHistory({ resourceType, id, options });
        if (resourceType)
          return this.typeHistory({ resourceType, options });
        return this.systemHistory({ options });
      }
      /**
       * Instance-level history for a specific resource.
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.id - Resource id.
       * @param params.options - Per-request options.
       * @returns A history Bundle.
       */
      resourceHistory({ resourceType, id, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.get(`${resourceType}/${id}/_history`, options);
      }
      /**
       * Type-level history for all instances of a resource type.
       *
       * @param params.resourceType - FHIR resource type.
       * @param params.options - Per-request options.
       * @returns A history Bundle.
       */
      typeHistory({ resourceType, options }) {
        if (!validResourceType(resourceType))
          throw new Error(`Invalid resourceType: ${resourceType}`);
        return this.httpClient.get(`${resourceType}/_history`, options);
      }
      /**
       * System-level history across all resource types.
       *
       * @param params.options - Per-request options.
       * @returns A history Bundle.
       */
      systemHistory({ options } = {}) {
        return this.httpClient.get("/_history", options);
      }
    };
  }
});

// node_modules/fhir-kit-client/dist/index.js
var index_exports = {};
__export(index_exports, {
  CapabilityTool: () => CapabilityTool,
  Client: () => Client,
  REQUEST_KEY: () => REQUEST_KEY,
  RESPONSE_KEY: () => RESPONSE_KEY,
  splitReference: () => splitReference
});
module.exports = __toCommonJS(index_exports);

// node_modules/fhir-kit-client/dist/capability-tool.js
var CapabilityTool = class {
  capabilityStatement;
  constructor(capabilityStatement) {
    this.capabilityStatement = capabilityStatement;
  }
  /**
   * Check whether a server-level interaction is supported.
   *
   * @param interaction - Interaction code (e.g. `'transaction'`, `'batch'`).
   * @returns `true` if the server advertises the interaction.
   */
  serverCan(interaction) {
    return this.supportFor({ capabilityType: "interaction", where: { code: interaction } });
  }
  /**
   * Check whether a resource-level interaction is supported.
   *
   * @param resource - FHIR resource type (e.g. `'Patient'`).
   * @param interaction - Interaction code (e.g. `'read'`, `'search-type'`).
   * @returns `true` if the resource advertises the interaction.
   */
  resourceCan(resource, interaction) {
    return this.supportFor({ resourceType: resource, capabilityType: "interaction", where: { code: interaction } });
  }
  /**
   * Check whether a server-level search parameter is supported.
   *
   * @param searchParam - Search parameter name.
   * @returns `true` if the server advertises the search parameter.
   */
  serverSearch(searchParam) {
    return this.supportFor({ capabilityType: "searchParam", where: { name: searchParam } });
  }
  /**
   * Check whether a resource-level search parameter is supported.
   *
   * @param resource - FHIR resource type.
   * @param searchParam - Search parameter name.
   * @returns `true` if the resource advertises the search parameter.
   */
  resourceSearch(resource, searchParam) {
    return this.supportFor({ resourceType: resource, capabilityType: "searchParam", where: { name: searchParam } });
  }
  /**
   * General capability check. Returns `true` if the specified capability
   * exists (optionally filtered by a `where` clause).
   *
   * @param params - Capability lookup parameters.
   * @returns `true` if the capability is found.
   */
  supportFor(params) {
    const { resourceType, capabilityType, where } = params ?? {};
    if (!capabilityType)
      return false;
    const capabilities = resourceType ? this.resourceCapabilities({ resourceType }) : this.serverCapabilities();
    if (!capabilities)
      return false;
    const capability = capabilities[capabilityType];
    if (where && capability) {
      const whereKey = Object.keys(where)[0];
      return capability.some((item) => item[whereKey] === where[whereKey]);
    }
    return capability !== void 0;
  }
  /**
   * List interaction codes supported by a resource type.
   *
   * @param params - `{ resourceType }` — the resource type to inspect.
   * @returns Array of interaction code strings (e.g. `['read', 'search-type']`).
   */
  interactionsFor(params) {
    const { resourceType } = params ?? {};
    const caps = resourceType ? this.resourceCapabilities({ resourceType }) : void 0;
    if (!caps?.interaction)
      return [];
    return caps.interaction.map((i) => i.code ?? "");
  }
  /**
   * List search parameter names supported by a resource type.
   *
   * @param params - `{ resourceType }` — the resource type to inspect.
   * @returns Array of search parameter name strings.
   */
  searchParamsFor(params) {
    const { resourceType } = params ?? {};
    const caps = resourceType ? this.resourceCapabilities({ resourceType }) : void 0;
    if (!caps?.searchParam)
      return [];
    return caps.searchParam.map((p) => p.name ?? "");
  }
  /**
   * Return the full capability entry for a given resource type.
   *
   * @param params - `{ resourceType }` — the resource type to look up.
   * @returns The raw capability object, or `undefined` if not found.
   */
  resourceCapabilities(params) {
    const { resourceType } = params ?? {};
    const resources = this.serverCapabilities()?.resource;
    return resources?.find((r) => r.type === resourceType);
  }
  /**
   * Return the raw value of a specific capability category for a resource type.
   *
   * @param params - `{ resourceType, capabilityType }`.
   * @returns The raw capability value (e.g. an array of interaction objects), or `undefined`.
   */
  capabilityContents(params) {
    const { resourceType, capabilityType } = params ?? {};
    if (!resourceType || !capabilityType)
      return void 0;
    const caps = this.resourceCapabilities({ resourceType });
    return caps?.[capabilityType];
  }
  /**
   * Return the server-mode REST capability block from the CapabilityStatement.
   *
   * @returns The server REST capability, or `undefined` if not present.
   */
  serverCapabilities() {
    const rest = this.capabilityStatement.rest;
    return rest?.find((r) => r.mode === "server");
  }
};

// node_modules/fhir-kit-client/dist/index.js
init_client();
init_types();
init_utils();
// Annotate the CommonJS export names for ESM import in node:
0 && (module.exports = {
  CapabilityTool,
  Client,
  REQUEST_KEY,
  RESPONSE_KEY,
  splitReference
});
/*! Bundled license information:

humanize-ms/index.js:
  (*!
   * humanize-ms - index.js
   * Copyright(c) 2014 dead_horse <dead_horse@qq.com>
   * MIT Licensed
   *)
*/
