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

    /// RFC 2046, 5.1.1: what is outside the boundaries is no part.
    @Test(arguments: [("\r\n", ""), ("\r\n\r\n", "\r\n"), ("a multipart form\r\n", "\r\nthe end"), ("", "\r\n--b\r\n")])
    func passesOverWhatIsOutside(before: String, after: String) throws {
        let body = "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--b--"
        #expect(try parts(before + body + after) == parts(body))
    }

    /// Names of files as curl, browsers, Python's requests and old programs of Windows write them.
    @Test(arguments: [
        (#"filename="a \"b\"; name=c.png""#, #"a "b"; name=c.png"#), (#"filename="a%22b.png""#, "a%22b.png"),
        (#"filename="C:\dir\a;b.png""#, #"C:\dir\a;b.png"#),
        ("filename*=UTF-8''%E7%8B%97.png", "UTF-8''%E7%8B%97.png"),
        ("filename=a.png; filename*=utf-8''b.png", "a.png"),
        ("filename=\"\u{093F}.png\"", "\u{093F}.png"), ("filename=\"\"", ""),
    ])
    func readsNamesOfFiles(parameter: String, name: String) throws {
        for field in ["form-data; name=\"a\"; \(parameter)", "form-data; \(parameter); name=\"a\""] {
            let found = try parts("--b\r\nContent-Disposition: \(field)\r\n\r\n1\r\n--b--")
            #expect(found.map(\.name) == ["a"] && found.map(\.filename) == [name], "\(field)")
        }
        let latin = Array("--b\r\nContent-Disposition: form-data; name=a; filename=\"caf".utf8) + [0xE9]
        let form = try MultipartForm(body: latin + Array(".png\"\r\n\r\n1\r\n--b--".utf8), boundary: "b")
        #expect(form.parts.map(\.name) == ["a"] && form.parts.first?.filename != nil)
    }

    @Test(arguments: [
        "", "--b", "--b\r\n", "--c--", "x--b--", "--b--x", "--b\r\n\r\na\r\n--b--", "x\r\n--b",
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
