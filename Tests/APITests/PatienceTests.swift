import Foundation
import Testing

/// Answers that take longer than clients and proxies wait.
@Suite struct PatienceTests {
    private static let routes = ["/v1/images/generations", "/sdapi/v1/txt2img"]
    private static let json = ["Content-Type": "application/json"]

    @Test(arguments: routes) func aLongAnswerIsKeptAliveByWhiteSpace(path: String) async throws {
        try await TestServer.run(pace: 0.15, configure: { $0.keepAlive = .milliseconds(50) }) { server in
            let answer = try await server.client.post(path, #"{"prompt": "a", "seed": 2}"#)
            #expect(answer.status == 200)
            #expect(answer.fields["content-type"] == "application/json")
            #expect(answer.text.prefix { $0 == " " }.count > 3)
            server.pace.value = 0
            let quick = try await server.client.post(path, #"{"prompt": "a", "seed": 2}"#)
            let (slow, fast) = try (answer.json, quick.json)
            for key in ["data", "images"] {
                #expect([slow[key] as Any] as NSArray == [fast[key] as Any] as NSArray)
            }
        }
    }

    @Test func aRefusalKeepsItsStatus() async throws {
        try await TestServer.run(configure: { $0.keepAlive = .milliseconds(1) }) { server in
            let answer = try await server.client.post(Self.routes[0], #"{"prompt": ""}"#)
            #expect(answer.status == 400)
        }
    }

    /// A failure after the answer has begun is told, and the connection cut: the last chunk never comes.
    @Test(arguments: routes) func aLateFailureIsNoWholeAnswer(path: String) async throws {
        try await TestServer.run(pace: 30, configure: { $0.keepAlive = .milliseconds(20) }) { server in
            let waiting = try server.client.open("POST", path, Self.json, #"{"prompt": "a"}"#)
            #expect(try await eventually { waiting.arrived.contains("200 OK") })
            #expect(try await eventually { try await server.jobs().first?.state == .running })
            try await server.engine.cancel(server.jobs().first?.id ?? "")
            let failure = await #expect(throws: Client.Failure.self) { try await waiting.answer() }
            #expect(failure?.reason == "the last chunk is missing")
        }
    }

    @Test(arguments: routes) func aClientThatLeavesALongAnswerCancelsItsJob(path: String) async throws {
        try await TestServer.run(pace: 30, configure: { $0.keepAlive = .milliseconds(20) }) { server in
            let waiting = try server.client.open("POST", path, Self.json, #"{"prompt": "a"}"#)
            #expect(try await eventually { waiting.arrived.contains("200 OK") })
            waiting.leave()
            #expect(try await eventually { try await server.jobs().first?.state == .cancelled })
        }
    }

    @Test func whoPrefersAJobGetsOne() async throws {
        try await TestServer.run { server in
            let answer = try await server.client.post(
                Self.routes[0], #"{"prompt": "a", "seed": 5}"#, ["Prefer": "respond-async, wait=10"])
            #expect(answer.status == 202)
            #expect(answer.fields["preference-applied"] == "respond-async")
            let id = try answer.json["id"] as? String ?? ""
            #expect(answer.fields["location"] == "/v1/jobs/\(id)")
            #expect(try await server.reaches(.succeeded, id))
            #expect(try await server.client.get("/v1/jobs/\(id)").json["state"] as? String == "succeeded")
            #expect(
                try await server.client.post(Self.routes[0], #"{"prompt": "a"}"#, ["Prefer": "wait=10"]).status == 200)
        }
    }

    /// A step of 0.2 s and five of them left: about a second.
    @Test func aJobTellsHowLongItWillTake() async throws {
        try await TestServer.run(pace: 0.2) { server in
            let body = #"{"kind": "image", "prompt": "a", "generator": "teacher", "num_inference_steps": 20}"#
            let first = try await server.client.post("/v1/jobs", body).json
            #expect(first["eta_seconds"] is NSNull)
            let id = first["id"] as? String ?? ""
            #expect(try await eventually { (try await server.engine.job(id)).step >= 10 })
            let left = try await server.client.get("/v1/jobs/\(id)").json["eta_seconds"] as? Double ?? 0
            #expect(left > 0.5 && left < 8, "\(left)")
            let second = try await server.client.post("/v1/jobs", body).json["eta_seconds"] as? Double ?? 0
            #expect(second > left, "\(second)")
            server.pace.value = 0
            #expect(try await server.reaches(.succeeded, id))
            #expect(try await server.client.get("/v1/jobs/\(id)").json["eta_seconds"] is NSNull)
            let text = try await server.client.get("/v1/jobs/\(id)/events", ["Last-Event-ID": "0"]).text
            let steps = try ReceivedEvent.all(in: text).filter { $0.name == "step" }
            #expect(steps.contains { $0.data["eta_seconds"] is Double })
        }
    }
}
