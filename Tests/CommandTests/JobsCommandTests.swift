import Foundation
import Testing

/// `phasor jobs` against a server that runs and the folder that it leaves.
@Suite(.serialized, .timeLimit(.minutes(5))) struct JobsCommandTests {
    private let command: CommandRun

    init() throws { command = try CommandRun() }

    private func jobs(_ arguments: String..., environment: [String: String] = [:]) throws -> CommandRun.Result {
        try command.run(["jobs"] + arguments, environment: environment)
    }

    private func post(_ server: ServerRun, _ prompt: String, steps: Int? = nil, key: String? = nil) async throws
        -> String
    {
        var body: [String: Any] = ["kind": "image", "prompt": prompt, "size": "32x32", "seed": 5]
        if let steps { (body["num_inference_steps"], body["generator"]) = (steps, "teacher") }
        let file = command.folder.appending(path: "body.json")
        try JSONSerialization.data(withJSONObject: body).write(to: file)
        let run = try command.run(
            [
                "-sS", "-H", "Content-Type: application/json", "-H", "Authorization: Bearer \(key ?? "")", "--data",
                "@body.json",
                server.address + "/v1/jobs",
            ],
            program: URL(filePath: "/usr/bin/curl"))
        let job = try JSONSerialization.jsonObject(with: run.output) as? [String: Any]
        return try #require(job?["id"] as? String, "\(run.text) \(run.said)")
    }

    private func ends(_ id: String, _ place: [String]) throws -> String {
        while true {
            let run = try command.run(["jobs", "show", id, "--json"] + place)
            let job = try JSONSerialization.jsonObject(with: run.output) as? [String: Any]
            let state = job?["state"] as? String ?? "?"
            if !["queued", "running"].contains(state) { return state }
            usleep(20_000)
        }
    }

    @Test func `Jobs are listed, shown, cancelled and retried, on the server and in its folder`() async throws {
        let server = try ServerRun(command)
        let place = ["--server", server.address]
        let dog = try await post(server, "a dog\u{1B}[31m")
        #expect(try ends(dog, place) == "succeeded")
        let slow = try await post(server, "a long one", steps: 1000)
        let cancelled = try command.run(["jobs", "cancel", slow] + place)
        #expect(cancelled.code == 0 && cancelled.text.contains(slow), "\(cancelled.said)")
        #expect(try ends(slow, place) == "cancelled")

        // The same from the folder, while the server works on it.
        for place in [place, ["--state", "state"]] {
            let list = try command.run(["jobs"] + place)
            #expect(list.code == 0 && list.text.split(separator: "\n").count == 2, "\(list.said)")
            #expect(list.text.hasPrefix(slow) && list.text.contains("a long one"))
            #expect(list.text.contains("a dog [31m") && !list.text.contains("\u{1B}"))
            let ids = try command.run(["jobs", "list", "--only", "succeeded", "--only", "failed", "--ids"] + place)
            #expect(ids.text == dog + "\n")
            #expect(try command.run(["jobs", "list", "--kind", "video"] + place).text.isEmpty)
            #expect(try command.run(["jobs", "list", "--limit", "1", "--ids"] + place).text == slow + "\n")
            let page = try command.run(["jobs", "show", dog] + place).text
            #expect(page.contains("succeeded") && page.contains("/v1/artifacts/") && page.contains("32"))
        }
        let refused = try jobs("retry", slow, "--state", "state")
        #expect(refused.code == 1 && refused.said.contains("say with --server"), "\(refused.said)")
        #expect(try jobs("retry", dog, "--server", server.address).said.contains("is succeeded; only a job that"))
        let retried = try command.run(["jobs", "retry", slow] + place)
        #expect(retried.code == 0 && retried.text.contains("queued"), "\(retried.said)")
        #expect(try command.run(["jobs", "cancel", slow] + place).code == 0)
        #expect(try ends(slow, place) == "cancelled")
        server.stop()

        // Nobody works on the folder: it is put into the line, and the next server runs it.
        let waiting = try jobs("retry", slow, "--state", "state")
        #expect(waiting.code == 0 && waiting.text.contains("queued"), "\(waiting.said)")
        let both = try jobs("cancel", slow, "image_0", environment: ["PHASOR_STATE": "state"])
        #expect(both.code == 1 && both.text.contains("cancelled") && both.said.contains("there is no job 'image_0'"))
        #expect(try jobs("show", slow, "--state", "state").text.contains("cancelled"))
    }

    @Test func `A key opens what a server keeps for it`() async throws {
        try Data("secret\n".utf8).write(to: command.folder.appending(path: "keys"))
        let server = try ServerRun(command, ["--api-keys", "keys"])
        let id = try await post(server, "a dog", key: "secret")
        let closed = try jobs("--server", server.address)
        #expect(closed.code == 1 && closed.said.contains("API key"), "\(closed.said)")
        let open = try jobs(
            "list", "--ids", "--server", server.address + "/v1/", environment: ["PHASOR_API_KEY": "secret"])
        #expect(open.text == id + "\n", "\(open.said)")
    }

    @Test func `A folder that is none is told, and not made`() throws {
        let run = try jobs("--state", "nowhere")
        #expect(run.code == 1 && run.said.contains("nowhere") && run.said.contains("No such file"), "\(run.said)")
        #expect(!FileManager.default.fileExists(atPath: command.folder.appending(path: "nowhere").path))
        try FileManager.default.createDirectory(
            at: command.folder.appending(path: "empty"), withIntermediateDirectories: false)
        #expect(try jobs("--state", "empty").said.contains("there are no jobs in it"))
        #expect(try command.names == ["empty"])
        #expect(try jobs("--server", "127.0.0.1:1").said.contains("expected http://HOST:PORT"))
        #expect(try jobs("--server", "http://127.0.0.1:1").said.contains("http://127.0.0.1:1: "))
    }
}
