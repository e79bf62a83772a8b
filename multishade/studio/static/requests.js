// SPDX-License-Identifier: Apache-2.0
// Requests to the studio's own server. What changes something carries a header that other sites cannot send.

const HEADERS = { "X-MultiShade-Studio": "1" };

/** Ask for JSON; throws an Error with the server's message and status. */
export async function ask(path, { method = "GET", body = undefined } = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, body, headers: method === "GET" ? {} : HEADERS });
  } catch {
    throw new Error("The studio does not answer. Is it still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    const error = new Error(content.error || `The studio answers ${answer.status}.`);
    throw Object.assign(error, { status: answer.status });
  }
  return content;
}

export const at = (item, rest = "") => `api/items/${item}${rest}`;

export function megabytes(bytes) {
  return bytes < 1e5 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
