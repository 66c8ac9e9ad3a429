import HTTP

/// Bodies are read as they are; a compressed one is refused before it is read.
enum RequestCoding {
    /// - Throws: `APIError` 415, with what is taken, as RFC 9110 (15.5.16) has it.
    static func check(_ request: HTTPRequest) throws(APIError) {
        let codings = request.headers.list("Content-Encoding").filter { $0.lowercased() != "identity" }
        guard let coding = codings.first else { return }
        throw APIError(
            status: 415,
            message: "Content-Encoding is '\(coding.prefix(40))'; send the body as it is, without an encoding",
            param: "Content-Encoding", code: "unsupported_content_encoding", headers: ["Accept-Encoding": "identity"])
    }
}
