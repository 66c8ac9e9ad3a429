import Foundation
import HTTP
import Testing

/// A directory of its own for each test, removed at the end.
func withDirectory<T>(_ body: (URL) async throws -> T) async throws -> T {
    let url = FileManager.default.temporaryDirectory.appending(path: "http-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: url) }
    return try await body(url)
}

@Suite struct FileTests {
    /// 300,000 bytes, so that an answer takes several pieces.
    private let content = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }

    private func withFileServer<T: Sendable>(_ body: (RawClient, URL) async throws -> T) async throws -> T {
        let content = content
        return try await withDirectory { directory in
            let root = directory.appending(path: "root")
            let files = FileManager.default
            try files.createDirectory(at: root.appending(path: "sub"), withIntermediateDirectories: true)
            try Data("secret".utf8).write(to: directory.appending(path: "secret.txt"))
            try Data("<p>home".utf8).write(to: root.appending(path: "index.html"))
            try Data("<p>sub".utf8).write(to: root.appending(path: "sub/index.html"))
            try Data("hidden".utf8).write(to: root.appending(path: ".hidden"))
            try Data().write(to: root.appending(path: "empty.txt"))
            try Data(content).write(to: root.appending(path: "film.mp4"))
            try files.createSymbolicLink(
                at: root.appending(path: "link.txt"), withDestinationURL: directory.appending(path: "secret.txt"))
            try files.createSymbolicLink(at: root.appending(path: "up"), withDestinationURL: directory)
            mkfifo(root.appending(path: "pipe").path, 0o600)

            let served = StaticFiles(root: root.path, headers: ["Content-Security-Policy": "default-src 'self'"])
            return try await withServer(configure: { configuration in
                configuration.router.add("GET", "/{path...}") { try served.response(to: $0) }
            }) { server, _ in
                try await body(RawClient(port: server.port), root)
            }
        }
    }

    @Test func servesFiles() async throws {
        try await withFileServer { client, _ in
            let home = try client.get("/")
            #expect(home.status == 200)
            #expect(home.text == "<p>home")
            #expect(home.fields["content-type"] == "text/html; charset=utf-8")
            #expect(home.fields["content-security-policy"] == "default-src 'self'")
            #expect(home.fields["x-content-type-options"] == "nosniff")
            #expect(try client.get("/sub/").text == "<p>sub")
            #expect(try client.get("/empty.txt").body.isEmpty)
            let film = try client.get("/film.mp4")
            #expect(film.body == content)
            #expect(film.fields["content-type"] == "video/mp4")
            #expect(film.fields["accept-ranges"] == "bytes")
            client.send("HEAD /film.mp4 HTTP/1.1\r\nHost: a\r\n\r\n")
            let head = try client.answer(toHead: true)
            #expect(head.fields["content-length"] == "300000")
            #expect(head.fields["etag"] == film.fields["etag"])
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test(arguments: [
        "/%2e%2e/secret.txt", "/../secret.txt", "/..%2fsecret.txt", "/..%2Fsecret.txt", "/sub/..%2f..%2fsecret.txt",
        "/sub/../../secret.txt", "/link.txt", "/up/secret.txt", "/up/root/index.html", "/film.mp4%00.txt",
        "/%00", "/.hidden", "/.%2e/secret.txt", "/sub", "/sub%2findex.html", "//film.mp4", "/film.mp4/", "/pipe",
        "/nothing", "/%252e%252e/secret.txt", "/..%5csecret.txt", "/%c0%ae%c0%ae/secret.txt", "/sub//index.html",
    ])
    func neverLeavesTheRoot(path: String) async throws {
        try await withFileServer { client, _ in
            let answer = try client.get(path)
            #expect(answer.status == 404 || answer.status == 400)
            #expect(!answer.text.contains("secret\"") && answer.text != "secret" && answer.text != "hidden")
        }
    }

    @Test func revalidates() async throws {
        try await withFileServer { client, root in
            let first = try client.get("/film.mp4")
            let etag = try #require(first.fields["etag"])
            let date = try #require(first.fields["last-modified"])
            for condition in [
                "If-None-Match: \(etag)", "If-None-Match: \"other\", W/\(etag)", "If-None-Match: *",
                "If-Modified-Since: \(date)",
            ] {
                let answer = try client.get("/film.mp4", condition + "\r\n")
                #expect(answer.status == 304)
                #expect(answer.fields["etag"] == etag)
            }
            let both = try client.get("/film.mp4", "If-None-Match: \"other\"\r\nIf-Modified-Since: \(date)\r\n")
            #expect(both.status == 200)
            // Replaced by a file of the same size: another tag.
            try Data(content.reversed()).write(to: root.appending(path: "film.mp4"), options: .atomic)
            let second = try client.get("/film.mp4", "If-None-Match: \(etag)\r\n")
            #expect(second.status == 200)
            #expect(second.body == content.reversed())
        }
    }

    /// Rewritten in place, with the length and the date of before.
    @Test func aFileThatWasReplacedHasAnotherTag() async throws {
        try await withFileServer { client, root in
            let path = root.appending(path: "film.mp4").path
            let first = try #require(try client.get("/film.mp4").fields["etag"])
            #expect(try client.get("/film.mp4").fields["etag"] == first)
            var status = stat()
            #expect(stat(path, &status) == 0)
            let file = try FileHandle(forWritingTo: URL(filePath: path))
            try file.write(contentsOf: Data(content.reversed()))
            try file.close()
            #expect(utimensat(AT_FDCWD, path, [status.st_atim, status.st_mtim], 0) == 0)
            let second = try client.get("/film.mp4", "If-None-Match: \(first)\r\n")
            #expect(second.status == 200)
            #expect(second.fields["etag"] != first)
        }
    }

    /// A file without rights is told from one that is not there. Root reads everything, so it steps down for this.
    @Test func rightsAreToldFromAbsence() async {
        await #expect(processExitsWith: .success) {
            let path = "/tmp/phasor-rights-\(UUID())"
            close(open(path, O_WRONLY | O_CREAT, 0))
            if getuid() == 0 { setuid(65534) }
            defer { unlink(path) }
            do {
                _ = try HTTPFile(path: path)
                exit(1)
            } catch HTTPError.unreadable(_, let reason) {
                guard reason == String(cString: strerror(EACCES)) else { exit(2) }
            }
            do {
                _ = try HTTPFile(path: path + "-")
                exit(3)
            } catch HTTPError.notFound {}
        }
    }

    @Test(arguments: [
        ("bytes=0-99", 0..<100), ("bytes=100000-250000", 100_000..<250_001), ("bytes=299999-", 299_999..<300_000),
        ("bytes=10-", 10..<300_000), ("bytes=-5", 299_995..<300_000), ("bytes=-900000", 0..<300_000),
        ("bytes=5-99999999999999999999", 5..<300_000), ("Bytes = 1-1", 1..<2),
    ])
    func sendsRanges(field: String, expected: Range<Int>) async throws {
        try await withFileServer { client, _ in
            let answer = try client.get("/film.mp4", "Range: \(field)\r\n")
            #expect(answer.status == 206)
            #expect(answer.body == Array(content[expected]))
            #expect(answer.fields["content-range"] == "bytes \(expected.lowerBound)-\(expected.upperBound - 1)/300000")
            #expect(try client.get("/hello").text == "hello")
        }
    }

    @Test func refusesRangesPastTheEnd() async throws {
        try await withFileServer { client, _ in
            for field in ["bytes=300000-", "bytes=300000-300001", "bytes=-0", "bytes=99999999999999999999-"] {
                let answer = try client.get("/film.mp4", "Range: \(field)\r\n")
                #expect(answer.status == 416)
                #expect(answer.fields["content-range"] == "bytes */300000")
            }
            #expect(try client.get("/empty.txt", "Range: bytes=0-\r\n").status == 416)
            // What is no range of bytes is as if it were not there.
            for field in ["bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,5-6", "bytes=--5"] {
                #expect(try client.get("/film.mp4", "Range: \(field)\r\n").status == 200)
            }
        }
    }

    @Test func heedsIfRange() async throws {
        try await withFileServer { client, _ in
            let etag = try #require(try client.get("/film.mp4", "Range: bytes=0-1\r\n").fields["etag"])
            #expect(try client.get("/film.mp4", "Range: bytes=0-1\r\nIf-Range: \(etag)\r\n").status == 206)
            #expect(try client.get("/film.mp4", "Range: bytes=0-1\r\nIf-Range: \"old\"\r\n").body == content)
            #expect(try client.get("/film.mp4", "Range: bytes=0-1\r\nIf-Range: W/\(etag)\r\n").status == 200)
        }
    }

    /// A file that shrinks under its answer: the connection is cut rather than filled up with something else.
    @Test func cutsWhatShrinks() async throws {
        try await withDirectory { directory in
            let path = directory.appending(path: "shrinking").path
            try Data(count: 32 << 20).write(to: URL(filePath: path))
            try await withServer(configure: { configuration in
                configuration.router.add("GET", "/file") { request in
                    try .file(HTTPFile(path: path), contentType: "video/mp4", for: request)
                }
            }) { server, _ in
                let client = try RawClient(port: server.port, receiveBuffer: 64 << 10)
                client.send("GET /file HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try client.readHead().fields["content-length"] == "\(32 << 20)")
                truncate(path, 0)
                let rest = try client.readToEnd()
                #expect(rest.count < 32 << 20)
                #expect(rest.allSatisfy { $0 == 0 })
            }
        }
    }
}
