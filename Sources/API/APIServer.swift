import Foundation
import HTTP
import Logging
import Serving

/// The API of an engine: every dialect, on one router, with one form of error.
package struct APIServer: Sendable {
    package struct Options: Sendable {
        package var limits = HTTPLimits()
        /// Where the web page is; nil for none.
        package var publicFolder: String?
        package var keys = APIKeys.none
        /// Origins whose pages may use the API; none by default.
        package var corsOrigins: [String] = []
        /// Between two comments on an event stream on which nothing happens.
        package var heartbeat: Duration = .seconds(15)
        /// Called once for each finished exchange; must return soon.
        package var onExchange: (@Sendable (HTTPExchange) -> Void)?

        package init() {}
    }

    private let engine: Engine
    private let options: Options
    private let logger: Logger

    package init(engine: Engine, options: Options, logger: Logger) {
        self.engine = engine
        self.options = options
        self.logger = logger
    }

    /// Binds and begins to serve.
    /// - Throws: `HTTPError.cannotListen`.
    package func start(host: String, port: UInt16) async throws(HTTPError) -> HTTPServer {
        try await HTTPServer.start(host: host, port: port, configuration: configuration)
    }

    private var configuration: HTTPServer.Configuration {
        let operations = Operations(engine: engine)
        let onExchange = options.onExchange
        var configuration = HTTPServer.Configuration(router: router, logger: logger)
        configuration.limits = options.limits
        configuration.cors = options.corsOrigins.isEmpty ? nil : Self.cors(options.corsOrigins)
        configuration.admit = { [gate] request in try gate.admit(request) }
        configuration.errorResponse = { [logger] error, request in
            let answer = APIError(error)
            if answer.status == 500 {
                logger.error(
                    "a request failed",
                    metadata: ["id": "\(request?.id ?? "")", "route": "\(request?.route ?? "")", "error": "\(error)"])
            }
            return answer.response
        }
        configuration.onExchange = { exchange in
            operations.count(exchange)
            onExchange?(exchange)
        }
        return configuration
    }

    package var router: Router {
        let catalogue = ModelCatalogue(engine: engine, since: Int(Date().timeIntervalSince1970))
        let reader = GenerationFields(catalogue: catalogue)
        let artifacts = Artifacts(engine: engine)
        let uploads = options.limits.uploadBytes
        var router = Router()
        let keys = options.keys
        OpenAIImages(engine: engine, reader: reader, keys: keys, heartbeat: options.heartbeat)
            .register(in: &router, uploadLimit: uploads)
        OpenAIVideos(engine: engine, reader: reader, artifacts: artifacts, keys: keys)
            .register(in: &router, uploadLimit: uploads)
        NativeJobs(engine: engine, reader: reader, keys: keys, heartbeat: options.heartbeat).register(in: &router)
        Automatic1111(engine: engine, catalogue: catalogue, keys: keys).register(in: &router)
        catalogue.register(in: &router)
        artifacts.register(in: &router)
        Operations(engine: engine).register(in: &router)
        OpenAPI.register(in: &router)
        // Last: it takes what the others leave.
        if let folder = options.publicFolder { Page(folder: folder).register(in: &router) }
        return router
    }

    private var gate: Gate { Gate(keys: options.keys, origins: options.corsOrigins) }

    private static func cors(_ origins: [String]) -> CORS {
        var cors = CORS(origins: origins)
        cors.headers += ["Idempotency-Key", "Last-Event-ID"]
        return cors
    }
}

/// Who may come in, decided before any of a request's body is read.
struct Gate: Sendable {
    let keys: APIKeys
    let origins: [String]

    /// What is open to all: life signs, and what a browser needs to show the page on which a key is entered.
    private static let open: Set<String> = ["/healthz", "/readyz", "/openapi.json", Page.template]

    /// - Throws: `APIError` 401, 403.
    func admit(_ request: HTTPRequest) throws(APIError) {
        // Only OPTIONS is answered without a route. A preflight never carries a key.
        guard let route = request.route else { return }
        // A form on any page of the web can post to 127.0.0.1; browsers say so in this field.
        if request.method != "GET", request.method != "HEAD", request.headers["Sec-Fetch-Site"] == "cross-site",
            !origins.contains("*"), !origins.contains(request.headers["Origin"] ?? "")
        {
            throw APIError(
                status: 403, message: "pages of other origins may not use this server; it can be started to allow them",
                param: "Origin", code: "origin_not_allowed")
        }
        if !Self.open.contains(route) { try keys.admit(request) }
    }
}
