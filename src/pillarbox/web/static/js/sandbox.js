// The sandbox's page, put together. Everything on it works by links and forms as well, but slower.
import "./times.js";
import "./preferences.js";
import "./copying.js";
import "./list.js";
import "./going.js";
import "./acting.js";
import "./reader.js";
import "./search.js";
import "./keys.js";
import "./bringing.js";
import "./live.js";
