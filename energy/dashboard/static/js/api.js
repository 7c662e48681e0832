// Reading `/v1`; the browser's cache holds the last answer and asks with its ETag.
import { isAway } from "./reader.js";

export class ApiError extends Error {
  constructor({ title, detail, status, code, request_id: requestId }) {
    super(title);
    Object.assign(this, { title, detail, status, code, requestId });
  }
}

export const fetchJson = (path) => askJson(path, { cache: "no-cache" });

export const postJson = (path, document) => askJson(path, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(document),
});

// A request with effect is named by a key, so that sent again it has none a second time.
export const postOnce = (path, document, key) => askJson(path, {
  method: "POST", headers: { "Content-Type": "application/json", "Idempotency-Key": key }, body: JSON.stringify(document),
});

export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

async function askJson(path, options) {
  let answer;
  const headers = isAway() ? { ...options.headers, "Microgrid-Unattended": "1" } : options.headers;
  try {
    answer = await fetch(path, { ...options, headers });
    // Cut off on its way it is no answer either.
    if (answer.ok) return await answer.json();
  } catch (error) {
    throw new ApiError({ title: null, detail: String(error.message), status: 0 });
  }
  const type = answer.headers.get("content-type") ?? "";
  const problem = type.includes("json") ? await answer.json().catch(() => ({})) : {};
  throw new ApiError({ title: null, ...problem, status: answer.status });
}
