import HTTP
import Support

/// `GET /openapi.json`: the API as an OpenAPI 3.1 document. A test holds it against the routes there are.
enum OpenAPI {
    static func document(at address: String) -> String {
        """
        {"openapi": "3.1.0",
         "info": {"title": "Phasor", "version": "\(Release.version)", "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
          "description": "Inference server for few-step distilled image and video generators."},
         "servers": [{"url": \(JSON.string(address.isEmpty ? "/" : address).text)}],
         "security": [{}, {"key": []}],
         \(contents)}
        """
    }

    private static let contents = "\"paths\": \(paths),\n \"components\": \(components)"

    static func register(in router: inout Router, address: PublicAddress) {
        router.add("GET", "/openapi.json") { request in
            .text(document(at: address.prefix(for: request)), contentType: "application/json")
        }
    }
}
