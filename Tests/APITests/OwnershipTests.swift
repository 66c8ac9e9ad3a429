import API
import Foundation
import Jobs
import Serving
import Testing

/// Jobs are their sender's: a key's, or without keys an address's.
@Suite struct OwnershipTests {
    private static let image = #"{"kind": "image", "prompt": "a", "seed": 1}"#

    private static func fields(_ key: String) -> [String: String] { ["x-api-key": key] }

    private func withKeys(
        pace: Double = 0, state change: (inout EngineOptions) -> Void = { _ in },
        _ body: (TestServer, _ alice: [String: String], _ bob: [String: String], _ boss: [String: String]) async throws
            -> Void
    ) async throws {
        try await TestServer.run(
            pace: pace, configure: { $0.keys = try APIKeys(file: "alice\nbob\noperator:boss\n") }, state: change
        ) { server in
            try await body(server, Self.fields("alice"), Self.fields("bob"), Self.fields("boss"))
        }
    }

    private func submit(_ server: TestServer, _ fields: [String: String], _ body: String = image) async throws -> String
    {
        let answer = try await server.client.post("/v1/jobs", body, fields)
        #expect(answer.status == 202, "\(answer.text)")
        return try answer.json["id"] as? String ?? ""
    }

    private func ids(_ answer: Client.Answer) throws -> [String] {
        (try answer.json["data"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
    }

    @Test func aKeySeesItsOwnJobsAndAnOperatorsAll() async throws {
        try await withKeys { server, alice, bob, boss in
            let client = server.client
            let own = try await submit(server, alice)
            let other = try await submit(server, bob)
            let clip = try await submit(server, bob, #"{"kind": "video", "prompt": "a", "num_frames": 5}"#)
            for id in [own, other, clip] { #expect(try await server.reaches(.succeeded, id)) }
            #expect(try ids(await client.get("/v1/jobs", alice)) == [own])
            #expect(try ids(await client.get("/v1/jobs", bob)) == [clip, other])
            #expect(try ids(await client.get("/v1/jobs", boss)) == [clip, other, own])
            #expect(try ids(await client.get("/v1/videos", alice)) == [])
            #expect(try ids(await client.get("/v1/videos", bob)) == [clip])
            // A page after another key's job would tell that there is one.
            #expect(try await client.get("/v1/jobs?after=\(other)", alice).status == 400)
            #expect(try ids(await client.get("/v1/jobs?after=\(clip)", bob)) == [other])

            let artifact = try #require(try await server.engine.job(other).artifacts.first).id
            for path in [
                "/v1/jobs/\(other)", "/v1/jobs/\(other)/events", "/v1/artifacts/\(artifact)", "/v1/videos/\(clip)",
                "/v1/videos/\(clip)/content",
            ] {
                let hidden = try await client.get(path, alice)
                let nowhere = [(other, "image_0"), (clip, "video_0"), (artifact, "0")].reduce(path) {
                    $0.replacing($1.0, with: $1.1)
                }
                let unknown = try await client.get(nowhere, alice)
                #expect(hidden.status == 404 && unknown.status == 404, "\(path)")
                #expect(try hidden.error["code"] == unknown.error["code"], "\(path)")
                for fields in [bob, boss] { #expect(try await client.get(path, fields).status == 200, "\(path)") }
            }
        }
    }

    @Test func aKeyEndsAndDeletesOnlyItsOwnJobs() async throws {
        try await withKeys(pace: 0.05) { server, alice, bob, boss in
            let client = server.client
            let clip = try await submit(
                server, alice, #"{"kind": "video", "prompt": "a", "generator": "teacher", "num_inference_steps": 1000}"#
            )
            #expect(try await server.reaches(.running, clip))
            #expect(try await client.post("/v1/jobs/\(clip)/cancel", "", bob).status == 404)
            #expect(try await client.send("DELETE", "/v1/jobs/\(clip)", bob).status == 404)
            #expect(try await client.send("DELETE", "/v1/videos/\(clip)", bob).status == 404)
            #expect(try await client.post("/sdapi/v1/interrupt", "", bob).status == 200)
            #expect(try await server.engine.job(clip).state == .running)
            #expect(try await client.post("/v1/jobs/\(clip)/cancel", "", alice).status == 200)
            #expect(try await server.reaches(.cancelled, clip))

            server.pace.value = 0
            let picture = try await submit(server, alice)
            #expect(try await server.reaches(.succeeded, picture))
            let path = try #require(try await server.engine.job(picture).artifacts.first).path
            #expect(try await client.send("DELETE", "/v1/jobs/\(picture)", bob).status == 404)
            #expect(FileManager.default.fileExists(atPath: path))
            let deleted = try await client.send("DELETE", "/v1/jobs/\(picture)", boss)
            #expect(try deleted.json["object"] as? String == "job.deleted" && deleted.json["deleted"] as? Bool == true)
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(try await client.get("/v1/jobs/\(picture)", alice).status == 404)
        }
    }

    @Test func interruptAndProgressAreOfTheOwnRun() async throws {
        try await withKeys(pace: 0.05) { server, alice, bob, _ in
            let body = #"{"prompt": "a", "sampler_name": "teacher", "steps": 400}"#
            let connections = try [alice, bob].map { fields in
                try server.client.open(
                    "POST", "/sdapi/v1/txt2img",
                    fields.merging(["Content-Type": "application/json"]) { own, _ in own }, body)
            }
            #expect(try await eventually { try await server.jobs().count { $0.state == .running } == 2 })
            let jobs = try await server.jobs()
            let seen = try await client(server, "/sdapi/v1/progress", alice)["state"] as? [String: Any]
            #expect(seen?["job_count"] as? Int == 1)
            let own = try #require(seen?["job"] as? String)
            #expect(try await server.client.post("/sdapi/v1/interrupt", "", alice).status == 200)
            #expect(try await server.reaches(.cancelled, own))
            for job in jobs where job.id != own { #expect(try await server.engine.job(job.id).state == .running) }
            #expect(try await connections[0].answer().status == 409)
            connections[1].leave()
        }
    }

    private func client(_ server: TestServer, _ path: String, _ fields: [String: String]) async throws -> [String: Any]
    {
        try await server.client.get(path, fields).json
    }

    @Test func anIdempotencyKeyIsItsOwners() async throws {
        try await withKeys { server, alice, bob, _ in
            let key = ["Idempotency-Key": "1"]
            let one = try await submit(server, alice.merging(key) { own, _ in own })
            let two = try await submit(server, bob.merging(key) { own, _ in own })
            let again = try await submit(server, alice.merging(key) { own, _ in own })
            #expect(one == again && one != two)
            let other = try await server.client.post(
                "/v1/jobs", #"{"kind": "image", "prompt": "b"}"#, bob.merging(key) { own, _ in own })
            #expect(other.status == 409)
            #expect(try other.error["message"]?.contains("'1'") == true)
            // What stands for a key in the store is no way into it.
            let owner = try #require(try await server.engine.job(one).owner)
            let guess = try await submit(server, bob.merging(["Idempotency-Key": "\(owner) 1"]) { own, _ in own })
            #expect(guess != one)
        }
    }

    @Test func withoutKeysAJobIsItsAddresss() async throws {
        try await TestServer.run(pace: 0.05) { server in
            let (here, there) = (server.client, Client(port: server.client.port, source: 0x7F00_0002))
            let answer = try await here.post(
                "/v1/jobs", #"{"kind": "video", "prompt": "a", "generator": "teacher", "num_inference_steps": 1000}"#)
            let id = try #require(try answer.json["id"] as? String)
            #expect(try await server.reaches(.running, id))
            // Everybody sees it.
            #expect(try ids(await there.get("/v1/jobs")) == [id])
            #expect(try await there.get("/v1/jobs/\(id)").status == 200)
            for (method, path) in [
                ("POST", "/v1/jobs/\(id)/cancel"), ("DELETE", "/v1/jobs/\(id)"), ("DELETE", "/v1/videos/\(id)"),
            ] {
                let refused = try await there.send(method, path)
                #expect(refused.status == 403)
                #expect(try refused.error["code"] == "not_the_owner")
            }
            #expect(try await there.post("/sdapi/v1/interrupt", "").status == 200)
            #expect(try await server.engine.job(id).state == .running)
            #expect(try await here.send("DELETE", "/v1/jobs/\(id)").status == 200)
            #expect(try await here.get("/v1/jobs/\(id)").status == 404)
        }
    }

    /// Choudhury and Hahne: of two that fill it each gets a third, and a third is left for who comes next.
    @Test func oneKeyCannotFillTheQueue() async throws {
        try await withKeys(pace: 0.05, state: { ($0.queueCapacity, $0.queueShare, $0.activeRuns) = (12, .fair, 1) }) {
            server, alice, bob, boss in
            let long = #"{"kind": "video", "prompt": "a", "generator": "teacher", "num_inference_steps": 1000}"#
            let first = try await submit(server, alice, long)
            #expect(try await server.reaches(.running, first))
            func fill(_ fields: [String: String]) async throws -> Int {
                for count in 0..<20 {
                    let answer = try await server.client.post("/v1/jobs", Self.image, fields)
                    if answer.status == 202 { continue }
                    #expect(answer.status == 429 && answer.fields["retry-after"] != nil)
                    #expect(try answer.error["message"]?.contains("your share") == true)
                    return count
                }
                return 20
            }
            #expect(try await fill(alice) == 6)
            #expect(try await fill(bob) == 3)
            #expect(try await fill(boss) == 2)
            #expect(try await server.client.get("/readyz").status == 200)
            // Alice, who has a job that runs, waits for one of each of the others.
            let waiting = try await server.engine.jobs(limit: 100).jobs.filter { $0.state == .queued }
            let owners = waiting.sorted { $0.queuePosition ?? 99 < $1.queuePosition ?? 99 }.map(\.owner)
            let name = try #require(try await server.engine.job(first).owner)
            #expect(Set(owners.prefix(3)).count == 3 && owners[2] == name)
        }
    }
}
