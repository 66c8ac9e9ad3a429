import API
import Testing

@Suite struct MultipartFormTests {
    private func parts(_ body: String, boundary: String = "b") throws -> [MultipartForm.Part] {
        try MultipartForm(body: Array(body.utf8), boundary: boundary).parts
    }

    @Test func readsFieldsAndFiles() throws {
        let body =
            "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--\r\n"
            + "--b\r\nContent-Type: image/png\r\ncontent-disposition: FORM-DATA; filename=\"x;y.png\"; name=f\r\n\r\n"
            + "\r\n--b\r\nContent-Disposition: form-data; name=\"c\"\r\n\r\n--B\r\n--b--"
        let shown = try parts(body).map {
            "\($0.name) \($0.filename ?? "-") \(String(decoding: $0.content, as: UTF8.self))"
        }
        #expect(shown == ["a - 1\r\n--", "f x;y.png ", "c - --B"])
        #expect(try parts("--b--\r\n").isEmpty)
    }

    @Test(arguments: [
        "", "--b", "--b\r\n", "--c--", "x--b--", "--b--x", "--b\r\n\r\na\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\na\r\n--b--",
        "--b\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\na\r\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na\r\n--b",
        "--b\r\nContent-Disposition: form-data; name=\"a\"\n\na\n--b--",
        "--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\na\r\n--b--",
    ])
    func refuses(body: String) {
        #expect(throws: (any Error).self) { try parts(body) }
    }

    @Test func boundsTheNumberOfParts() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n"
        #expect(throws: (any Error).self) { try parts(String(repeating: part, count: 65) + "--b--") }
    }
}
