// Reading `/v1`; the browser's cache holds the last answer and asks with its ETag.
export class ApiError extends Error {
  constructor({ title, detail, status, request_id: requestId }) {
    super(title);
    Object.assign(this, { title, detail, status, requestId });
  }
}

export async function fetchJson(path) {
  let answer;
  try {
    answer = await fetch(path, { cache: "no-cache" });
  } catch (error) {
    throw new ApiError({ title: null, detail: String(error.message), status: 0 });
  }
  if (answer.ok) return answer.json();
  const type = answer.headers.get("content-type") ?? "";
  const problem = type.includes("json") ? await answer.json() : {};
  throw new ApiError({ title: null, ...problem, status: answer.status });
}
