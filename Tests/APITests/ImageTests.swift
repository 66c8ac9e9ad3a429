import API
import Foundation
import Testing

@Suite struct ImageTests {
    private static let path = "/v1/images/generations"

    /// Width and height as a PNG's header chunk has them.
    static func pngSize(_ bytes: [UInt8]) -> [Int]? {
        guard bytes.count > 24, Array(bytes[..<8]) == [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] else {
            return nil
        }
        return [16, 20].map { start in bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
    }

    static func images(_ answer: Client.Answer) throws -> [[String: Any]] {
        try answer.json["data"] as? [[String: Any]] ?? []
    }

    static func bytes(_ image: [String: Any]?) -> [UInt8] {
        Array(Data(base64Encoded: image?["b64_json"] as? String ?? "") ?? Data())
    }

    @Test func anImageComesAsBase64WithItsUsage() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path, #"{"prompt": "a red balloon", "size": "80x64", "user": "u", "quality": "hd", "n": null}"#)
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "application/json")
            let json = try answer.json
            let images = try Self.images(answer)
            #expect(images.count == 1)
            #expect(images.first?["url"] == nil)
            #expect(Self.pngSize(Self.bytes(images.first)) == [80, 64])
            #expect(json["size"] as? String == "80x64")
            #expect(json["output_format"] as? String == "png")
            #expect(abs((json["created"] as? Double ?? 0) - Date().timeIntervalSince1970) < 60)
            // 13 characters; 5 x 4 squares of 16 pixels.
            let usage = json["usage"] as? [String: Any] ?? [:]
            #expect(usage["input_tokens"] as? Int == 13)
            #expect(usage["output_tokens"] as? Int == 20)
            #expect(usage["total_tokens"] as? Int == 33)
        }
    }

    @Test func minusOneDrawsASeed() async throws {
        try await TestServer.run { server in
            for (path, start) in [(Self.path, ""), ("/v1/videos", ""), ("/v1/jobs", #""kind": "image", "#)] {
                let answer = try await server.client.post(path, "{\(start)\"prompt\": \"a\", \"seed\": -1}")
                #expect([200, 202].contains(answer.status), "\(answer.text)")
            }
            let seeds = try await server.jobs().map(\.request.seed)
            #expect(seeds.count == 3 && Set(seeds).count == 3)
            #expect(seeds.allSatisfy { $0 <= UInt64(Int.max) })
        }
    }

    @Test func aURLLeadsToTheSameBytes() async throws {
        let configure = { (options: inout APIServer.Options) in
            options.allowedHosts = ["pictures.test"]
            options.trustsProxy = true
        }
        try await TestServer.run(configure: configure) { server in
            let request = #"{"prompt": "a", "seed": 5, "model": "dall-e-3", "size": "auto""#
            let inline = try await server.client.post(Self.path, request + #", "response_format": "b64_json"}"#)
            let linked = try await server.client.post(
                Self.path, request + #", "response_format": "url"}"#, ["Host": "pictures.test:81"])
            let url = try Self.images(linked).first?["url"] as? String ?? ""
            #expect(url.hasPrefix("http://pictures.test:81/v1/artifacts/"))
            let proxied = try await server.client.post(
                Self.path, request + #", "response_format": "url"}"#,
                ["Host": "pictures.test", "X-Forwarded-Proto": "https"])
            let secure = try Self.images(proxied).first?["url"] as? String ?? ""
            #expect(secure.hasPrefix("https://pictures.test/v1/artifacts/"))

            let file = try await server.client.get(String(url.dropFirst("http://pictures.test:81".count)))
            #expect(file.status == 200)
            #expect(file.fields["content-type"] == "image/png")
            #expect(file.body == Self.bytes(try Self.images(inline).first))
            #expect(Self.pngSize(file.body) == [64, 48])
        }
    }

    @Test func eachOfSeveralImagesCanBeMadeAlone() async throws {
        try await TestServer.run { server in
            let three = try Self.images(
                try await server.client.post(Self.path, #"{"prompt": "a", "seed": 40, "n": 3}"#))
            #expect(three.map { $0["seed"] as? Int } == [40, 41, 42])
            #expect(Set(three.map { Self.bytes($0) }).count == 3)
            let alone = try Self.images(try await server.client.post(Self.path, #"{"prompt": "a", "seed": 42}"#))
            // The picture is the same; its text chunk holds the same seed.
            #expect(Self.bytes(three.last) == Self.bytes(alone.first))
        }
    }

    @Test func aStreamShowsPartialImagesThenTheWhole() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.path, #"{"prompt": "a", "seed": 3, "stream": true, "partial_images": 2}"#)
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"]?.hasPrefix("text/event-stream") == true)
            let events = try ReceivedEvent.all(in: answer.text)
            #expect(
                events.map(\.name) == [
                    "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed",
                ])
            for (index, event) in events.enumerated() {
                let common: Set = [
                    "type", "b64_json", "created_at", "size", "quality", "background", "output_format", "seed",
                ]
                #expect(Set(event.data.keys) == common.union([index < 2 ? "partial_image_index" : "usage"]))
                #expect(event.data["type"] as? String == event.name)
                #expect(event.data["size"] as? String == "64x48")
                #expect(Self.pngSize(Self.bytes(event.data)) == [64, 48])
            }
            #expect(events.prefix(2).map { $0.data["partial_image_index"] as? Int } == [0, 1])
            let whole = try Self.images(try await server.client.post(Self.path, #"{"prompt": "a", "seed": 3}"#))
            #expect(Self.bytes(events.last?.data) == Self.bytes(whole.first))
            #expect(Self.bytes(events.first?.data) != Self.bytes(whole.first))
        }
    }

    @Test func aStreamWithoutPartialImagesHasOnlyTheWhole() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(Self.path, #"{"prompt": "a", "stream": true, "n": 2}"#)
            let names = try ReceivedEvent.all(in: answer.text).map(\.name)
            #expect(names == ["image_generation.completed", "image_generation.completed"])
        }
    }

    @Test func aStreamThatCannotGoOnSaysWhy() async throws {
        try await TestServer.run(pace: 30) { server in
            let waiting = try server.client.open(
                "POST", Self.path, ["Content-Type": "application/json"], #"{"prompt": "a", "stream": true}"#)
            #expect(try await eventually { try await server.jobs().first?.state == .running })
            try await server.engine.cancel(server.jobs().first?.id ?? "")
            let events = try ReceivedEvent.all(in: try await waiting.answer().text)
            #expect(events.map(\.name) == ["error"])
            let error = events.first?.data["error"] as? [String: Any] ?? [:]
            #expect(Set(error.keys) == ["message", "type", "param", "code"])
            #expect(error["code"] as? String == "cancelled")
        }
    }

    @Test func aFullQueueSaysWhenToComeAgain() async throws {
        try await TestServer.run(pace: 30, state: { $0.queueCapacity = 1 }) { server in
            let first = try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "a"}"#)
            let id = try first.json["id"] as? String ?? ""
            #expect(try await server.reaches(.running, id))
            // A job that comes before the first evaluation has begun may begin as well; then the next one waits.
            var begins = true
            while begins {
                let next = try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "b"}"#)
                #expect(next.status == 202)
                let id = try next.json["id"] as? String ?? ""
                begins = try await eventually(within: 0.5) { try await server.engine.job(id).state == .running }
            }
            let refused = try await server.client.post(Self.path, #"{"prompt": "c"}"#)
            #expect(refused.status == 429)
            #expect(try refused.error["code"] == "queue_full")
            #expect(Int(refused.fields["retry-after"] ?? "") ?? 0 >= 1)
            #expect(try await server.client.get("/readyz").status == 503)
        }
    }

    @Test func whoCancelsAnImageIsToldByItsAnswer() async throws {
        try await TestServer.run(pace: 30) { server in
            let waiting = try server.client.open(
                "POST", Self.path, ["Content-Type": "application/json"], #"{"prompt": "a"}"#)
            #expect(try await eventually { try await server.jobs().first?.state == .running })
            let id = try await server.jobs().first?.id ?? ""
            #expect(try await server.client.post("/v1/jobs/\(id)/cancel", "").status == 200)
            let answer = try await waiting.answer()
            #expect(answer.status == 409)
            #expect(try answer.error["code"] == "cancelled")
            #expect(answer.fields["x-should-retry"] == "false")
        }
    }
}
