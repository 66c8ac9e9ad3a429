// Server-sent events over fetch: unlike EventSource it can carry an API key and tells why it was refused.

import { APIError, send } from "./api.js";

const ENDS = new Set(["done", "failed", "cancelled"]);
const RETRIES = 6;

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
 * from the last event that was seen.
 */
export async function* jobEvents(path) {
    let seen = null;
    for (let failures = 0; failures < RETRIES; failures += 1) {
        try {
            const headers = { Accept: "text/event-stream" };
            if (seen !== null) headers["Last-Event-ID"] = seen;
            const response = await send(path, { headers, cache: "no-store" });
            for await (const { event, data, id } of eventsOf(response.body)) {
                failures = 0;
                seen = id ?? seen;
                yield { event, data: JSON.parse(data) };
                if (ENDS.has(event)) return;
            }
        } catch (error) {
            const refused = error instanceof APIError && error.status >= 400 && error.status < 500;
            if (refused) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 400 * (failures + 1)));
    }
    throw new APIError(0, { message: "The connection to the server was lost; the job goes on there." });
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
