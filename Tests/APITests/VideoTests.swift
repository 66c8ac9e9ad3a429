import Foundation
import Testing

@Suite struct VideoTests {
    private static let keys: Set = [
        "id", "object", "model", "status", "progress", "created_at", "completed_at", "expires_at", "prompt", "size",
        "seconds", "remixed_from_video_id", "error", "num_frames", "fps", "seed",
    ]

    private static func completed(_ id: String, _ server: TestServer) async throws -> Bool {
        try await eventually {
            try await server.client.get("/v1/videos/\(id)").json["status"] as? String == "completed"
        }
    }

    @Test func aVideoFromItsCreationToItsRemoval() async throws {
        try await TestServer.run { server in
            let client = server.client
            let created = try await client.post(
                "/v1/videos", #"{"prompt": "a dog", "model": "sora-2", "seconds": "2", "size": "64x64", "seed": 9}"#)
            #expect(created.status == 200)
            let video = try created.json
            #expect(Set(video.keys) == Self.keys)
            #expect(video["object"] as? String == "video")
            #expect(video["model"] as? String == "fake")
            #expect(video["seconds"] as? String == "2")
            // 2 s at 8 a second, and the frame at time 0.
            #expect(video["num_frames"] as? Int == 17)
            #expect(video["error"] is NSNull)
            let id = video["id"] as? String ?? ""
            #expect(try await Self.completed(id, server))
            let done = try await client.get("/v1/videos/\(id)").json
            #expect(Set(done.keys) == Self.keys)
            #expect(done["progress"] as? Int == 100)
            #expect(done["completed_at"] is Int)
            #expect(done["expires_at"] as? Int ?? 0 > done["completed_at"] as? Int ?? 0)

            let whole = try await client.get("/v1/videos/\(id)/content")
            #expect(whole.status == 200)
            #expect(whole.fields["content-type"] == "video/mp4")
            #expect(Array(whole.body[4..<8]) == Array("ftyp".utf8))
            let size = whole.body.count
            let part = try await client.get("/v1/videos/\(id)/content", ["Range": "bytes=4-7"])
            #expect(part.status == 206)
            #expect(part.text == "ftyp")
            #expect(part.fields["content-range"] == "bytes 4-7/\(size)")
            let tail = try await client.get("/v1/videos/\(id)/content", ["Range": "bytes=-10"])
            #expect(tail.body == Array(whole.body.suffix(10)))
            let past = try await client.get("/v1/videos/\(id)/content", ["Range": "bytes=\(size)-"])
            #expect(past.status == 416)
            #expect(past.fields["content-range"] == "bytes */\(size)")
            #expect(try past.error["param"] == "Range")
            let known = try await client.get(
                "/v1/videos/\(id)/content", ["If-None-Match": whole.fields["etag"] ?? ""])
            #expect(known.status == 304)
            #expect(known.body.isEmpty)
            let thumbnail = try await client.get("/v1/videos/\(id)/content?variant=thumbnail")
            #expect(thumbnail.fields["content-type"] == "image/png")
            #expect(ImageTests.pngSize(thumbnail.body) == [64, 64])
            let tag = ["If-None-Match": thumbnail.fields["etag"] ?? ""]
            #expect(try await client.get("/v1/videos/\(id)/content?variant=thumbnail", tag).status == 304)
            #expect(try await client.get("/v1/videos/\(id)/content?variant=spritesheet").status == 400)

            let deleted = try await client.send("DELETE", "/v1/videos/\(id)")
            #expect(try deleted.json["object"] as? String == "video.deleted")
            #expect(try deleted.json["deleted"] as? Bool == true)
            let gone = try await client.get("/v1/videos/\(id)")
            #expect(gone.status == 404)
            #expect(try gone.error["code"] == "video_not_found")
        }
    }

    @Test func aFormIsAsGoodAsJSON() async throws {
        try await TestServer.run { server in
            let fields = [("prompt", "a cat\r\nwalks"), ("num_frames", "9"), ("seed", "7"), ("size", "32x32")]
            let parts = fields.map { "--b0\r\nContent-Disposition: form-data; name=\"\($0)\"\r\n\r\n\($1)\r\n" }
            let form = try await server.client.send(
                "POST", "/v1/videos", ["Content-Type": "multipart/form-data; boundary=\"b0\""],
                parts.joined() + "--b0--\r\n")
            let json = try await server.client.post(
                "/v1/videos", #"{"prompt": "a cat\r\nwalks", "num_frames": 9, "seed": 7, "size": "32x32"}"#)
            #expect(form.status == 200, "\(form.text)")
            let requests = try await server.jobs().map(\.request)
            #expect(requests.count == 2)
            #expect(requests.first == requests.last)
            #expect(try json.json["prompt"] as? String == "a cat\r\nwalks")
        }
    }

    /// OpenAI's JavaScript package sends the object `{image_url: ...}` in a form.
    @Test func aFormMayHaveItsPictureAsTheAddressOfAnObject() async throws {
        try await TestServer.run { server in
            let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Fixtures/pictures")
            let picture = try Data(contentsOf: folder.appending(path: "rgb.jpg"))
            let answer = try await server.client.post(
                "/v1/videos",
                form: [
                    ("prompt", nil, Array("a".utf8)),
                    (
                        "input_reference[image_url]", nil,
                        Array("data:image/jpeg;base64,\(picture.base64EncodedString())".utf8)
                    ),
                ])
            // The fake model starts from no first frame: the picture was read, and by that name.
            #expect(try answer.error["param"] == "input_reference", "\(answer.text)")
        }
    }

    @Test(arguments: [
        (#""seconds": 1"#, 9), (#""seconds": "4""#, 33), (#""seconds": 0.5"#, 5), (#""seconds": 1, "fps": 16"#, 17),
        (#""seconds": 3, "fps": 3"#, 9), (#""num_frames": 13"#, 13), (#""num_frames": 17, "seconds": 2"#, 17),
        (#""crf": 30"#, 17),
    ])
    func framesFollowFromSeconds(fields: String, frames: Int) async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post("/v1/videos", "{\"prompt\": \"a\", \(fields)}")
            #expect(try answer.json["num_frames"] as? Int == frames, "\(answer.text)")
        }
    }

    @Test func listsGoPageByPage() async throws {
        try await TestServer.run { server in
            var ids: [String] = []
            for _ in 0..<3 {
                let answer = try await server.client.post("/v1/videos", #"{"prompt": "a", "num_frames": 1}"#)
                ids.append(try answer.json["id"] as? String ?? "")
            }
            _ = try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "a"}"#)
            let first = try await server.client.get("/v1/videos?limit=2").json
            #expect((first["data"] as? [[String: Any]])?.map { $0["id"] as? String } == [ids[2], ids[1]])
            #expect(first["first_id"] as? String == ids[2])
            #expect(first["last_id"] as? String == ids[1])
            #expect(first["has_more"] as? Bool == true)
            let second = try await server.client.get("/v1/videos?limit=2&after=\(ids[1])").json
            #expect((second["data"] as? [[String: Any]])?.map { $0["id"] as? String } == [ids[0]])
            #expect(second["has_more"] as? Bool == false)
            let oldest = try await server.client.get("/v1/videos?order=asc").json
            #expect((oldest["data"] as? [[String: Any]])?.map { $0["id"] as? String } == ids)
        }
    }

    @Test func deletingStopsWhatRuns() async throws {
        try await TestServer.run(pace: 30) { server in
            let id = try await server.client.post("/v1/videos", #"{"prompt": "a"}"#).json["id"] as? String ?? ""
            #expect(try await server.reaches(.running, id))
            let early = try await server.client.get("/v1/videos/\(id)/content")
            #expect(early.status == 409)
            #expect(try early.error["code"] == "video_not_ready")
            #expect(try await server.client.send("DELETE", "/v1/videos/\(id)").status == 200)
            #expect(try await server.client.get("/v1/jobs/\(id)").status == 404)
        }
    }

    @Test func aCancelledVideoHasFailedAndSaysWhy() async throws {
        try await TestServer.run(pace: 30) { server in
            let id = try await server.client.post("/v1/videos", #"{"prompt": "a"}"#).json["id"] as? String ?? ""
            _ = try await server.client.post("/v1/jobs/\(id)/cancel", "")
            #expect(try await server.reaches(.cancelled, id))
            let video = try await server.client.get("/v1/videos/\(id)").json
            #expect(video["status"] as? String == "failed")
            #expect((video["error"] as? [String: Any])?["code"] as? String == "cancelled")
        }
    }
}
