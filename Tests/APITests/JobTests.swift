import Foundation
import Jobs
import Serving
import Testing

@Suite struct JobTests {
    private static func create(_ server: TestServer, _ fields: String = "", _ headers: [String: String] = [:])
        async throws -> Client.Answer
    {
        try await server.client.post("/v1/jobs", "{\"kind\": \"image\", \"prompt\": \"a\"\(fields)}", headers)
    }

    @Test func aJobTellsItsStory() async throws {
        try await TestServer.run { server in
            let created = try await Self.create(server, #", "seed": 1, "n": 2, "partial_images": 1"#)
            #expect(created.status == 202)
            let id = try created.json["id"] as? String ?? ""
            #expect(created.fields["location"] == "/v1/jobs/\(id)")
            #expect(try created.json["object"] as? String == "job")
            let answer = try await server.client.get("/v1/jobs/\(id)/events", ["Last-Event-ID": "0"])
            #expect(answer.fields["content-type"]?.hasPrefix("text/event-stream") == true)
            let events = try ReceivedEvent.all(in: answer.text)
            #expect(events.last?.name == "done")
            let ids = events.compactMap { Int($0.id) }
            #expect(ids.count == events.count)
            #expect(ids == ids.sorted() && Set(ids).count == ids.count)
            #expect(events.allSatisfy { $0.data["id"] as? String == id })
            let steps = events.filter { $0.name == "step" }
            #expect(steps.last?.data["step"] as? Int == 4)
            #expect(steps.last?.data["expert"] as? String == "transformer_2")
            let previews = events.filter { $0.name == "preview" }
            #expect(previews.count == 2)
            for event in previews {
                let preview = event.data["preview"] as? [String: Any]
                #expect(ImageTests.pngSize(ImageTests.bytes(preview)) == [64, 48])
                #expect(preview?["step"] as? Int ?? 0 >= 1)
            }
            let artifacts = events.last?.data["artifacts"] as? [[String: Any]] ?? []
            #expect(artifacts.count == 2)
            for artifact in artifacts {
                let file = try await server.client.get(artifact["url"] as? String ?? "")
                #expect(file.body.count == artifact["bytes"] as? Int)
                #expect(ImageTests.pngSize(file.body) == [64, 48])
            }
        }
    }

    @Test func aStreamGoesOnWhereItBroke() async throws {
        try await TestServer.run { server in
            let id = try await Self.create(server).json["id"] as? String ?? ""
            #expect(try await server.reaches(.succeeded, id))
            let all = try ReceivedEvent.all(
                in: try await server.client.get("/v1/jobs/\(id)/events", ["Last-Event-ID": "0"]).text)
            #expect(all.count > 4)
            let middle = all[all.count / 2]
            let rest = try ReceivedEvent.all(
                in: try await server.client.get("/v1/jobs/\(id)/events", ["Last-Event-ID": middle.id]).text)
            #expect(rest.map(\.id) == all.drop { $0.id != middle.id }.dropFirst().map(\.id))
            // Without an id: the present state, which is the end.
            let now = try ReceivedEvent.all(in: try await server.client.get("/v1/jobs/\(id)/events").text)
            #expect(now.map(\.name) == ["done"])
            for wrong in ["", "x", "-1", "9223372036854775808"] {
                let refused = try await server.client.get("/v1/jobs/\(id)/events", ["Last-Event-ID": wrong])
                #expect(refused.status == 400)
                #expect(try refused.error["param"] == "Last-Event-ID")
            }
        }
    }

    /// A clock that was set back leaves clients with ids that are still to come. Whoever has seen the end asks no more.
    @Test func theEndIsToldToWhoHasNotSeenIt() async throws {
        try await TestServer.run { server in
            let id = try await Self.create(server).json["id"] as? String ?? ""
            #expect(try await server.reaches(.succeeded, id))
            let path = "/v1/jobs/\(id)/events"
            let end = try ReceivedEvent.all(in: try await server.client.get(path).text)
            #expect(end.map(\.name) == ["done"])
            let last = try #require(end.last?.id)
            for beyond in ["9223372036854775807", "\((Int(last) ?? 0) + 86_400_000_000)"] {
                let answer = try await server.client.get(path, ["Last-Event-ID": beyond])
                #expect(answer.status == 200)
                #expect(try ReceivedEvent.all(in: answer.text).map(\.id) == [last])
            }
            let seen = try await server.client.get(path, ["Last-Event-ID": last])
            #expect(seen.status == 204)
            #expect(seen.body.isEmpty)
        }
    }

    @Test func aQuietStreamIsKeptOpen() async throws {
        try await TestServer.run(pace: 30) { server in
            let id = try await Self.create(server).json["id"] as? String ?? ""
            let watching = try server.client.open("GET", "/v1/jobs/\(id)/events")
            // Each comment is a chunk of its own.
            let seen = try await eventually { watching.arrived.components(separatedBy: ": keep-alive\n\n").count > 2 }
            #expect(seen)
            server.pace.value = 0
            #expect(try ReceivedEvent.all(in: try await watching.answer().text).last?.name == "done")
        }
    }

    @Test func aJobCanBeCancelled() async throws {
        // The second does not begin beside the first.
        try await TestServer.run(pace: 30, state: { $0.activeRuns = 1 }) { server in
            let running = try await Self.create(server).json["id"] as? String ?? ""
            let queued = try await Self.create(server).json["id"] as? String ?? ""
            #expect(try await server.reaches(.running, running))
            let withdrawn = try await server.client.post("/v1/jobs/\(queued)/cancel", "")
            #expect(try withdrawn.json["state"] as? String == "cancelled")
            #expect(try await server.client.post("/v1/jobs/\(running)/cancel", "").status == 200)
            #expect(try await server.reaches(.cancelled, running))
            let events = try ReceivedEvent.all(in: try await server.client.get("/v1/jobs/\(running)/events").text)
            #expect(events.map(\.name) == ["cancelled"])
        }
    }

    @Test func aCancelledJobCanBeRetried() async throws {
        try await TestServer.run(pace: 30) { server in
            let id = try await Self.create(server).json["id"] as? String ?? ""
            let early = try await server.client.post("/v1/jobs/\(id)/retry", "")
            #expect(early.status == 409)
            #expect(try early.error["code"] == "not_retriable")
            #expect(try await server.client.post("/v1/jobs/\(id)/cancel", "").status == 200)
            #expect(try await server.reaches(.cancelled, id))
            server.pace.value = 0
            let again = try await eventually { try await server.client.post("/v1/jobs/\(id)/retry", "").status == 200 }
            #expect(again)
            #expect(try await server.reaches(.succeeded, id))
            #expect(try await server.client.post("/v1/jobs/\(id)/retry", "").status == 409)
            #expect(try await server.client.post("/v1/jobs/image_0/retry", "").status == 404)
        }
    }

    @Test func aJobOfAnyKindCanBeDeleted() async throws {
        try await TestServer.run(pace: 30) { server in
            let running = try await Self.create(server).json["id"] as? String ?? ""
            #expect(try await server.reaches(.running, running))
            let answer = try await server.client.send("DELETE", "/v1/jobs/\(running)")
            #expect(answer.status == 200)
            #expect(try answer.json["id"] as? String == running)
            #expect(try answer.json["object"] as? String == "job.deleted")
            #expect(try answer.json["deleted"] as? Bool == true)
            server.pace.value = 0
            let finished = try await Self.create(server).json["id"] as? String ?? ""
            #expect(try await server.reaches(.succeeded, finished))
            let url = try await server.engine.job(finished).artifacts.first?.url ?? ""
            #expect(try await server.client.get(url).status == 200)
            #expect(try await server.client.send("DELETE", "/v1/jobs/\(finished)").status == 200)
            #expect(try await server.client.get(url).status == 404)
            for id in [running, finished] {
                #expect(try await server.client.get("/v1/jobs/\(id)").status == 404)
                #expect(try await server.client.send("DELETE", "/v1/jobs/\(id)").status == 404)
            }
            #expect(try await server.client.get("/v1/jobs").json["unreadable"] as? [String] == [])
        }
    }

    @Test func aKeyGivesTheSameJobAgain() async throws {
        try await TestServer.run { server in
            let key = ["Idempotency-Key": "abc"]
            let first = try await Self.create(server, "", key).json["id"] as? String
            let again = try await Self.create(server, "", key).json["id"] as? String
            #expect(first == again)
            #expect(try await server.jobs().count == 1)
            let other = try await Self.create(server, #", "seed": 2"#, key)
            #expect(other.status == 409)
            #expect(try other.error["code"] == "idempotency_conflict")
            let long = try await Self.create(server, "", ["Idempotency-Key": String(repeating: "k", count: 256)])
            #expect(try long.error["param"] == "Idempotency-Key")
        }
    }

    @Test func parametersSayWhatWasAccepted() async throws {
        try await TestServer.run { server in
            let fields =
                #", "seed": 9223372036854775807, "size": "32x16", "generator": "teacher", "guidance_scale": 2.5"#
            let answer = try await Self.create(server, fields)
            // Read as text: JSONSerialization would round the seed.
            #expect(answer.text.contains("\"seed\":9223372036854775807"), "\(answer.text)")
            let parameters = try answer.json["parameters"] as? [String: Any] ?? [:]
            #expect(parameters["width"] as? Int == 32)
            #expect(parameters["height"] as? Int == 16)
            #expect(parameters["generator"] as? String == "teacher")
            #expect(parameters["guidance_scale"] as? Double == 2.5)
            #expect(try answer.json["steps"] as? Int == 6)
        }
    }

    @Test func whatHasExpiredIsToldApartFromWhatNeverWas() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "phasor-expiry-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let ids = try await TestServer.run(state: { $0.store.folder = folder }) { server in
            var ids: [String] = []
            for kind in ["image", "video"] {
                let created = try await server.client.post(
                    "/v1/jobs", "{\"kind\": \"\(kind)\", \"prompt\": \"a\"}")
                ids.append(try created.json["id"] as? String ?? "")
                #expect(try await server.reaches(.succeeded, ids.last ?? ""))
            }
            return ids
        }
        // The next start finds the files too old.
        let options = { (state: inout EngineOptions) in
            state.store.folder = folder
            state.store.retentionSeconds = 0
        }
        try await TestServer.run(state: options) { server in
            let image = try await server.engine.job(ids[0])
            let path = image.artifacts.first?.url ?? ""
            #expect(try await eventually { try await server.client.get(path).status == 410 })
            #expect(try await server.client.get(path).error["code"] == "artifact_expired")
            #expect(try await server.client.get(path + "x").status == 404)
            let video = try await server.client.get("/v1/videos/\(ids[1])/content")
            #expect(video.status == 410)
            #expect(try await server.client.get("/v1/videos/\(ids[1])").json["status"] as? String == "completed")
        }
    }

    @Test func unknownIDsAreSaidToBe() async throws {
        try await TestServer.run { server in
            for (method, path, code) in [
                ("GET", "/v1/jobs/x", "job_not_found"), ("GET", "/v1/jobs/x/events", "job_not_found"),
                ("POST", "/v1/jobs/x/cancel", "job_not_found"), ("GET", "/v1/artifacts/x", "artifact_not_found"),
                ("GET", "/v1/videos/x", "video_not_found"), ("DELETE", "/v1/videos/x", "video_not_found"),
                ("GET", "/v1/models/x", "model_not_found"),
            ] {
                let answer = try await server.client.send(method, path)
                #expect(answer.status == 404, "\(method) \(path)")
                #expect(try answer.error["code"] == code, "\(method) \(path)")
            }
        }
    }
}
