import Foundation
import HTTP
import Jobs
import Logging
import Models
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
        /// Names by which the server may be reached besides those of this machine.
        package var allowedHosts: [String] = []
        /// The time between two comments on an event stream on which nothing happens.
        package var heartbeat: Duration = .seconds(15)
        /// How long a plain answer may take before white space is sent to keep it alive; nil for as long as it takes.
        package var keepAlive: Duration? = .seconds(25)
        /// Where clients reach the server, to make links of; nil to go by their requests.
        package var publicURL: String?
        /// Whether X-Forwarded-Host, -Proto and -Prefix are a proxy's, to be believed.
        package var trustsProxy = false
        /// Makes links that open without a key.
        package var links = ArtifactLinks()
        /// Whether A1111's settings that a generator cannot use are refused rather than left out of account.
        package var isA1111Strict = false
        package var sizePolicy = SizePolicy.exact
        /// Names of models besides their ids and those that clients have built in.
        package var aliases: [ModelAlias] = []
        /// The server calls this once for each finished exchange; the closure must return soon.
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
        if let warning = warning(host: host) { logger.warning("\(warning)") }
        return try await HTTPServer.start(host: host, port: port, configuration: configuration(host: host))
    }

    /// What the operator may not know about listening on `host`; nil for nothing.
    package func warning(host: String) -> String? {
        guard options.keys.isEmpty, !SiteGuard.isLoopback(host) else { return nil }
        return "there are no API keys: everybody who reaches \(host) may use this server; --api-keys FILE names who may"
    }

    private func configuration(host: String) -> HTTPServer.Configuration {
        let operations = Operations(engine: engine)
        let onExchange = options.onExchange
        var configuration = HTTPServer.Configuration(router: router, logger: logger)
        configuration.limits = options.limits
        configuration.cors = options.corsOrigins.isEmpty ? nil : Self.cors(options.corsOrigins)
        let gate = Gate(
            keys: options.keys,
            sites: SiteGuard(
                host: host, allowed: options.allowedHosts, origins: options.corsOrigins,
                hasKeys: !options.keys.isEmpty))
        let links = options.links
        configuration.admit = { request in
            try RequestCoding.check(request)
            // Who has a link that the server made needs nothing else.
            if !links.opens(request) { try gate.admit(request) }
        }
        configuration.errorResponse = { [logger] error, request in
            var answer = APIError(error)
            answer.hasDetail = request?.route?.hasPrefix("/sdapi/") ?? false
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
        let catalogue = ModelCatalogue(
            engine: engine, since: Int(Date().timeIntervalSince1970), own: options.aliases)
        let reader = GenerationFields(catalogue: catalogue, sizePolicy: options.sizePolicy)
        var links = options.links
        links.address = PublicAddress(configured: options.publicURL, trustsProxy: options.trustsProxy)
        let artifacts = Artifacts(engine: engine, keys: options.keys, links: links)
        let patience = Patience(quiet: options.keepAlive)
        let uploads = options.limits.uploadBytes
        var router = Router()
        let keys = options.keys
        OpenAIImages(
            engine: engine, reader: reader, keys: keys, links: links, patience: patience, heartbeat: options.heartbeat
        ).register(in: &router, uploadLimit: uploads)
        OpenAIVideos(engine: engine, reader: reader, artifacts: artifacts, keys: keys)
            .register(in: &router, uploadLimit: uploads)
        NativeJobs(
            engine: engine, reader: reader, keys: keys, address: links.address, heartbeat: options.heartbeat
        ).register(in: &router, uploadLimit: uploads)
        Automatic1111(
            engine: engine, reader: reader, keys: keys, settings: WebUISettings(isStrict: options.isA1111Strict),
            patience: patience
        ).register(in: &router, uploadLimit: uploads)
        MCPServer(
            tools: MCPTools(engine: engine, reader: reader, keys: keys, links: links), patience: patience,
            heartbeat: options.heartbeat
        ).register(in: &router)
        catalogue.register(in: &router)
        artifacts.register(in: &router)
        Operations(engine: engine).register(in: &router)
        OpenAPI.register(in: &router, address: links.address)
        catalogue.cards.register(in: &router)
        // Last: it takes what the others leave.
        if let folder = options.publicFolder { Page(folder: folder).register(in: &router) }
        return router
    }

    private static func cors(_ origins: [String]) -> CORS {
        var cors = CORS(origins: origins)
        cors.headers += ["Idempotency-Key", "Last-Event-ID", "Prefer", "Mcp-Protocol-Version", "Mcp-Session-Id"]
        cors.exposed += ["X-Phasor-Warning", "Preference-Applied", "Mcp-Session-Id"]
        return cors
    }
}

/// Decides who may come in before the server reads any of a request's body.
struct Gate: Sendable {
    let keys: APIKeys
    let sites: SiteGuard

    /// What is open to all: life signs, and what a browser needs to show the page on which a key is entered.
    private static let open = Operations.open.union(["/openapi.json", Page.template, ModelCards.template])

    /// - Throws: `APIError` 401, 403, 415.
    func admit(_ request: HTTPRequest) throws(APIError) {
        // Only OPTIONS is answered without a route. A preflight never carries a key.
        guard let route = request.route, !Self.open.contains(route) else { return }
        try sites.admit(request)
        try keys.admit(request)
    }
}
