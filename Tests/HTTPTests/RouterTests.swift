import HTTP
import Testing

@Suite struct RouterTests {
    private let router: Router = {
        var router = Router()
        for (method, template) in [
            ("GET", "/"), ("GET", "/v1/models"), ("GET", "/v1/models/{id}"), ("GET", "/v1/models/default"),
            ("POST", "/v1/videos"), ("GET", "/v1/videos"), ("GET", "/v1/videos/{id}/content"),
            ("DELETE", "/v1/videos/{id}"), ("GET", "/{path...}"),
        ] {
            router.add(method, template) { _ in .text(template) }
        }
        return router
    }()

    private func describe(_ method: String, _ path: String) throws -> String {
        switch router.match(method: method, segments: try HTTPTarget(path).segments) {
        case .route(let route, let parameters):
            ([route.template] + parameters.map { "\($0.key)=\($0.value)" }).joined(separator: " ")
        case .notFound: "404"
        case .methodNotAllowed(let allow): "405 " + allow.joined(separator: ",")
        }
    }

    @Test(arguments: [
        ("GET", "/", "/"),
        ("HEAD", "/", "/"),
        ("GET", "/v1/models", "/v1/models"),
        ("GET", "/v1/models/default", "/v1/models/default"),
        ("GET", "/v1/models/x", "/v1/models/{id} id=x"),
        ("GET", "/v1/models/org%2Fname", "/v1/models/{id} id=org/name"),
        ("HEAD", "/v1/models/x", "/v1/models/{id} id=x"),
        ("GET", "/v1/models/", "/v1/models"),
        ("GET", "//v1//models", "/v1/models"),
        ("POST", "//v1/videos/", "/v1/videos"),
        ("GET", "/v1/models/x/", "/v1/models/{id} id=x"),
        ("GET", "//", "/"),
        ("GET", "/css/", "/{path...} path=css/"),
        ("PUT", "//v1/videos", "405 GET,HEAD,OPTIONS,POST"),
        ("GET", "/v1/videos/7/content", "/v1/videos/{id}/content id=7"),
        ("GET", "/css/site.css", "/{path...} path=css/site.css"),
        ("POST", "/v1/models", "405 GET,HEAD,OPTIONS"),
        ("PUT", "/v1/videos", "405 GET,HEAD,OPTIONS,POST"),
        ("POST", "/v1/videos/7", "405 DELETE,OPTIONS"),
        ("POST", "/nothing", "404"),
        ("DELETE", "/v1/videos/7/more", "404"),
    ])
    func matches(method: String, path: String, expected: String) throws {
        #expect(try describe(method, path) == expected)
    }
}
