// Server-sent events over fetch: unlike EventSource it can carry an API key and tells why it was refused.

import { APIError, send } from "./api.js";
import { parseExact } from "./exact-json.js";

const ENDS = new Set(["done", "failed", "cancelled"]);
const LONGEST_PAUSE_MS = 4000;

/** Splits a text/event-stream into events as its pieces arrive (WHATWG HTML, 9.2.6). */
export class EventParser {
    #rest = "";
    #event = "";
    #data = [];
    #id = null;

    /** The events that `text` completes, as `{event, data, id}`. */
    push(text) {
        const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
        this.#rest = lines.pop();
        const events = [];
        for (const line of lines) {
            if (line !== "") this.#field(line);
            else if (this.#data.length > 0) {
                events.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
            }
            if (line === "") {
                this.#event = "";
                this.#data = [];
            }
        }
        return events;
    }

    #field(line) {
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (name === "event") this.#event = value;
        else if (name === "data") this.#data.push(value);
        else if (name === "id") this.#id = value;
    }
}

/**
 * The events of a job until it ends, as `{event, data}` with the data parsed. A connection that breaks is made again
 * from the last event that was seen, for as long as it takes: the server keeps the job over a restart.
 *
 * @param lost called with true when the connection broke, and with false when it stands again.
 * @param signal ends the waiting.
 */
export async function* jobEvents(path, { lost, signal }) {
    // From the first event on: a fast job has shown a prediction before anybody listened.
    let seen = "0";
    for (let failures = 0; ; failures += 1) {
        try {
            const headers = { Accept: "text/event-stream" };
            if (seen !== null) headers["Last-Event-ID"] = seen;
            const response = await send(path, { headers, cache: "no-store", signal });
            if (failures > 0) lost(false);
            let isSilent = true;
            for await (const { event, data, id } of eventsOf(response.body)) {
                failures = 0;
                isSilent = false;
                seen = id ?? seen;
                yield { event, data: parseExact(data) };
                if (ENDS.has(event)) return;
            }
            // Nothing came after what was seen: then how it stands now.
            if (isSilent) seen = null;
        } catch (error) {
            if (signal.aborted) throw new APIError(0, { message: "Not followed any more." });
            const refused = error instanceof APIError && error.status >= 400 && error.status < 500;
            if (refused) throw error;
        }
        lost(true);
        await new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST_PAUSE_MS, 400 * (failures + 1))));
    }
}

async function* eventsOf(body) {
    const parser = new EventParser();
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return;
            yield* parser.push(value);
        }
    } finally {
        reader.cancel().catch(() => {});
    }
}
