import HTTP
import Support

/// `GET /openapi.json`: the API as an OpenAPI 3.1 document. A test holds it against the routes there are.
enum OpenAPI {
    static let document: String = """
        {"openapi": "3.1.0",
         "info": {"title": "Phasor", "version": "\(Release.version)", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
          "description": "Inference server for few-step distilled image and video generators."},
         "servers": [{"url": "/"}],
         "security": [{}, {"key": []}],
         "paths": \(paths),
         "components": \(components)}
        """

    static func register(in router: inout Router) {
        router.add("GET", "/openapi.json") { _ in .text(document, contentType: "application/json") }
    }
}
