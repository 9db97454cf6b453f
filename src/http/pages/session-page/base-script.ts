/** What every part of the page stands on: its state, elements, failures and the API. */
export const BASE_SCRIPT = String.raw`
"use strict";
const KEY = "threadkeep.key";
const USER = "threadkeep.user";
const PAGE_SIZE = 50;
const LONG_TEXT = 2000;
const REFRESH_MS = 3000;

const byId = (id) => document.getElementById(id);
const numbers = new Intl.NumberFormat("en");

/** What is shown now. Each opened session gets a new object, so that a late answer finds itself out of date. */
let view = null;
let sessionsCursor = null;

// Elements. Children are nodes or text; text becomes a text node.

function el(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = text === "";
}

/** Runs what a control asks for; a failure is told in the page. */
async function attempt(work) {
  try {
    await work();
    showProblem("");
  } catch (error) {
    showProblem(error instanceof TypeError ? "The service is out of reach. Is it running?" : error.message);
  }
}

// The API.

async function api(path, query) {
  const url = new URL("/v1" + path, location.origin);
  for (const [name, value] of Object.entries(query || {})) {
    if (value !== "" && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const headers = { Authorization: "Bearer " + sessionStorage.getItem(KEY) };
  const user = sessionStorage.getItem(USER);
  if (user) headers["Threadkeep-User"] = user;
  const response = await fetch(url, { headers, cache: "no-store", credentials: "omit" });
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  const said = body && body.detail ? body.title + ". " + body.detail : "The service answered " + response.status + ".";
  throw new Error(said + (body && body.requestId ? " (request " + body.requestId + ")" : ""));
}

const sessionPath = (id) => "/sessions/" + encodeURIComponent(id);
`;
