import HTTP
import Serving

/// What machines ask that look after the server.
struct Operations: Sendable {
    let engine: Engine

    func register(in router: inout Router) {
        router.add("GET", "/healthz") { _ in .json(["status": "ok"]) }
        router.add("GET", "/readyz") { _ in
            switch engine.readiness {
            case .ready: return .json(["status": "ready"])
            case .notReady(let reason): throw APIError.unavailable(reason, code: "not_ready", retryAfter: 5)
            }
        }
        router.add("GET", "/metrics") { _ in
            .text(engine.renderMetrics(), contentType: "text/plain; version=0.0.4; charset=utf-8")
        }
    }

    /// Counts an exchange under the template of its route: ids and unknown paths make no series of their own.
    func count(_ exchange: HTTPExchange) {
        let route = exchange.route ?? "none"
        let method = exchange.route == nil ? "other" : exchange.method ?? "other"
        engine.metrics.count(
            "phasor_http_requests_total", "HTTP exchanges by method, route template and status.",
            ["method": method, "route": route, "status": String(exchange.status)])
        engine.metrics.observe(
            "phasor_http_request_seconds", "From the complete header to the last byte of the answer.",
            ["route": route], exchange.duration / .seconds(1))
        engine.metrics.count(
            "phasor_http_sent_bytes_total", "Bytes of answers' bodies.", ["route": route], by: Double(exchange.bytes))
    }
}
