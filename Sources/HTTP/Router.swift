package typealias HTTPHandler = @Sendable (HTTPRequest) async throws -> HTTPResponse

/// Finds the handler of a request by method and path template.
///
/// A template is a path whose segments are literal, `{name}` (any one segment that is not empty) or, at the end,
/// `{name...}` (all that is left). Where several templates match, the one that is literal further left wins.
///
/// Empty segments count for nothing where a path has no route of its own: clients join `http://host:8080/` and `/v1/models`,
/// and some end every path with a slash.
package struct Router: Sendable {
    package struct Route: Sendable {
        package let method: String
        package let template: String
        /// Bytes of body this route takes; nil for the server's default.
        package let bodyLimit: Int?
        /// Whether the handler is given the body. Else it is called before any of it has come.
        package let readsBody: Bool
        let handler: HTTPHandler
        fileprivate let pattern: [Piece]
        /// The pattern ends with a placeholder for all that is left.
        fileprivate var takesRest: Bool { pattern.last?.rank == 2 }
    }

    package enum Match: Sendable {
        case route(Route, parameters: [String: String])
        case notFound
        /// The path exists, but not for this method.
        case methodNotAllowed(allow: [String])
    }

    /// Ordered from the most to the least specific.
    fileprivate enum Piece: Sendable, Equatable {
        case literal(String)
        case parameter(String)
        case rest(String)

        var rank: Int {
            switch self {
            case .literal: 0
            case .parameter: 1
            case .rest: 2
            }
        }
    }

    package private(set) var routes: [Route] = []

    package init() {}

    package mutating func add(
        _ method: String, _ template: String, bodyLimit: Int? = nil, readsBody: Bool = true,
        _ handler: @escaping HTTPHandler
    ) {
        let pattern = template.split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { part in
            guard part.hasPrefix("{"), part.hasSuffix("}") else { return Piece.literal(String(part)) }
            let name = part.dropFirst().dropLast()
            return name.hasSuffix("...") ? .rest(String(name.dropLast(3))) : .parameter(String(name))
        }
        routes.append(
            Route(
                method: method, template: template, bodyLimit: bodyLimit, readsBody: readsBody, handler: handler,
                pattern: pattern))
    }

    /// HEAD is answered by the GET route.
    package func match(method: String, segments: [String]) -> Match {
        let found = routes(at: segments)
        if let exact = found.first(where: { $0.route.method == method }) {
            return .route(exact.route, parameters: exact.parameters)
        }
        if method == "HEAD", let get = found.first(where: { $0.route.method == "GET" }) {
            return .route(get.route, parameters: get.parameters)
        }
        // A route for all that is left over says nothing about which paths exist.
        let methods = found.filter { !$0.route.takesRest }.map(\.route.method)
        return methods.isEmpty ? .notFound : .methodNotAllowed(allow: Self.allow(methods))
    }

    /// The methods to name in `Allow` for a path; empty when there is no such path.
    func methods(at segments: [String]) -> [String] {
        let found = routes(at: segments)
        return found.isEmpty ? [] : Self.allow(found.map(\.route.method))
    }

    /// The routes of a path, the most specific first. Those for all that is left over count only where there is no
    /// other.
    private func routes(at segments: [String]) -> [(route: Route, parameters: [String: String])] {
        let found = routes(exactlyAt: segments)
        let specific = found.filter { !$0.route.takesRest }
        guard specific.isEmpty else { return specific }
        let plain = segments.filter { !$0.isEmpty }
        guard plain.count < segments.count else { return found }
        let others = routes(exactlyAt: plain.isEmpty ? [""] : plain).filter { !$0.route.takesRest }
        return others.isEmpty ? found : others
    }

    /// The path of a route that a path without any may mean: of the same end below `/v1` or below fewer segments, as base
    /// addresses with too much or too little in them make it.
    func neighbour(of segments: [String]) -> String? {
        let plain = segments.filter { !$0.isEmpty }
        for start in plain.indices {
            let end = Array(plain[start...])
            for path in [end, ["v1"] + end] where path != plain {
                let found = routes(exactlyAt: path).first { !$0.route.takesRest }
                guard let found, found.route.pattern.first?.rank == 0 else { continue }
                return "/" + path.joined(separator: "/")
            }
        }
        return nil
    }

    private func routes(exactlyAt segments: [String]) -> [(route: Route, parameters: [String: String])] {
        var found: [(route: Route, parameters: [String: String])] = []
        for route in routes {
            if let parameters = Self.parameters(of: route.pattern, in: segments) { found.append((route, parameters)) }
        }
        found.sort { $0.route.pattern.lazy.map(\.rank).lexicographicallyPrecedes($1.route.pattern.lazy.map(\.rank)) }
        return found
    }

    /// Every method some route has, for `OPTIONS *`.
    var allMethods: [String] { Self.allow(routes.map(\.method)) }

    private static func allow(_ methods: [String]) -> [String] {
        var all = Set(methods)
        if all.contains("GET") { all.insert("HEAD") }
        all.insert("OPTIONS")
        return all.sorted()
    }

    private static func parameters(of pattern: [Piece], in segments: [String]) -> [String: String]? {
        var parameters: [String: String] = [:]
        for (index, piece) in pattern.enumerated() {
            if case .rest(let name) = piece {
                guard index <= segments.count else { return nil }
                parameters[name] = segments[index...].joined(separator: "/")
                return parameters
            }
            guard index < segments.count else { return nil }
            switch piece {
            case .literal(let text): guard segments[index] == text else { return nil }
            case .parameter(let name):
                guard !segments[index].isEmpty else { return nil }
                parameters[name] = segments[index]
            case .rest: break
            }
        }
        return pattern.count == segments.count ? parameters : nil
    }
}
