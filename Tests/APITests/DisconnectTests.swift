import Testing

/// A client that leaves takes its image with it; a video and a job go on.
@Suite struct DisconnectTests {
    @Test(arguments: [
        ("/v1/images/generations", #"{"prompt": "a"}"#),
        ("/v1/images/generations", #"{"prompt": "a", "stream": true, "partial_images": 1}"#),
        ("/sdapi/v1/txt2img", #"{"prompt": "a"}"#),
    ])
    func theImageOfAClientThatLeftIsCancelled(path: String, body: String) async throws {
        try await TestServer.run(pace: 30) { server in
            let connection = try server.client.open("POST", path, ["Content-Type": "application/json"], body)
            #expect(try await eventually { try await server.jobs().first?.state == .running })
            let id = try await server.jobs().first?.id ?? ""
            connection.leave()
            #expect(try await server.reaches(.cancelled, id))
        }
    }

    @Test func aWaitingImageGivesItsPlaceAway() async throws {
        try await TestServer.run(pace: 30, state: { $0.queueCapacity = 1 }) { server in
            let fields = ["Content-Type": "application/json"]
            let running = try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "a"}"#)
            #expect(try await server.reaches(.running, running.json["id"] as? String ?? ""))
            let connection = try server.client.open("POST", "/v1/images/generations", fields, #"{"prompt": "b"}"#)
            #expect(try await eventually { try await server.jobs().first?.request.prompt == "b" })
            connection.leave()
            // The only place in the queue becomes free.
            #expect(
                try await eventually {
                    try await server.client.post("/v1/jobs", #"{"kind": "image", "prompt": "c"}"#).status == 202
                })
        }
    }

    @Test func aVideoGoesOnWithoutItsClient() async throws {
        try await TestServer.run(pace: 0.2) { server in
            let connection = try server.client.open(
                "POST", "/v1/videos", ["Content-Type": "application/json"], #"{"prompt": "a", "num_frames": 5}"#)
            #expect(try await eventually { try await !server.jobs().isEmpty })
            connection.leave()
            let id = try await server.jobs().first?.id ?? ""
            #expect(try await server.reaches(.succeeded, id))
        }
    }
}
