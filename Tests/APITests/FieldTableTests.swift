import Batch
import Foundation
import HTTP
import Jobs
import Support
import Testing

/// The table of fields against everybody who reads it: HTTP routes, manifests, the OpenAPI document, the tools of MCP.
@Suite struct FieldTableTests {
    private struct Route {
        let taker: RequestField.Taker
        let path: String
        let start: String
        let schema: String
    }

    private static let routes = [
        Route(taker: .image, path: "/v1/images/generations", start: "", schema: "ImageRequest"),
        Route(taker: .image, path: "/v1/jobs", start: #""kind": "image", "#, schema: "ImageJob"),
        Route(taker: .video, path: "/v1/videos", start: "", schema: "VideoRequest"),
        Route(taker: .video, path: "/v1/jobs", start: #""kind": "video", "#, schema: "VideoJob"),
        Route(taker: .webUI, path: "/sdapi/v1/txt2img", start: "", schema: "TextToImage"),
    ]

    /// What is just beyond a field's limits, as JSON; nothing for a field without any.
    private static func beyond(_ field: RequestField) -> [String] {
        switch field.content {
        case .integer(let range):
            // -1 draws a seed; there is no integer of 64 bits beyond the largest.
            let lowest = field == RequestFields.seed ? -2 : range.lowerBound - 1
            return ["\(lowest)", range.upperBound == .max ? "9223372036854775808" : "\(range.upperBound + 1)", "1.5"]
        case .number(let range): return ["\(range.lowerBound - 0.5)", "\(range.upperBound + 0.5)", "\"x\""]
        case .text(let longest): return ["\"\(String(repeating: "a", count: longest + 1))\"", "7"]
        case .choice: return ["\"none of them\""]
        case .size: return ["\"64\"", "64"]
        case .seconds: return ["0", "3601", "\"soon\""]
        case .seeds: return ["-1", "\"5-2\"", "\"a\""]
        case .loras: return ["7"]
        case .picture, .pictures: return ["7", "\"aGVsbG8=\"", "\"http://a/b.png\"", "\"../a.png\""]
        case .name: return ["7"]
        }
    }

    /// A value within a field's limits that the fake model can do.
    private static func within(_ field: RequestField) -> String {
        switch field.content {
        case .text, .name: return "\"a\""
        case .choice(let choices): return "\"\(choices[0])\""
        case .integer(let range): return "\(range.lowerBound)"
        case .number(let range): return "\(range.lowerBound)"
        case .size: return "\"64x48\""
        case .seconds: return "2"
        case .seeds: return "7"
        case .loras, .pictures: return "[]"
        case .picture: return "\"aGVsbG8=\""
        }
    }

    @Test func httpRoutesRefuseWhatIsBeyondTheLimitsByName() async throws {
        try await TestServer.run { server in
            for route in Self.routes {
                for field in RequestFields.taken(by: route.taker) {
                    for name in field.allNames(for: route.taker) where name != "sd_model_checkpoint" {
                        for value in Self.beyond(field) {
                            let prompt = name == "prompt" ? "" : #""prompt": "a", "#
                            let answer = try await server.client.post(
                                route.path, "{\(route.start)\(prompt)\"\(name)\": \(value)}")
                            #expect(answer.status == 400, "\(route.path) \(name) \(value.prefix(40)): \(answer.status)")
                            #expect(
                                try answer.error["param"] == name, "\(route.path) \(name): \(answer.text.prefix(300))")
                        }
                    }
                }
            }
            #expect(try await server.jobs().isEmpty)
        }
    }

    /// The native route refuses names that it does not know, so one that it takes is one that it reads.
    @Test func theNativeRouteKnowsAllNamesOfTheTableAndNoOthers() async throws {
        try await TestServer.run { server in
            for (kind, taker) in [("image", RequestField.Taker.image), ("video", .video)] {
                for field in RequestFields.all {
                    let names = Set(RequestField.Taker.allCases.flatMap { field.allNames(for: $0) })
                    for name in names where !["prompt", "kind"].contains(name) {
                        let answer = try await server.client.post(
                            "/v1/jobs", "{\"kind\": \"\(kind)\", \"prompt\": \"a\", \"\(name)\": \(Self.within(field))}"
                        )
                        let isUnknown = try answer.error["code"] == "unknown_parameter"
                        let isTaken = RequestFields.names(of: taker).contains(name)
                        #expect(isUnknown == !isTaken, "\(kind) \(name): \(answer.text.prefix(200))")
                    }
                }
            }
        }
    }

    @Test func manifestsRefuseWhatIsBeyondTheLimitsByName() throws {
        let model = try FakeModel.pipeline()
        for field in RequestFields.taken(by: .manifest) {
            for name in field.allNames(for: .manifest) {
                for value in Self.beyond(field) where !(name == "loras" || name == "size" && value == "64") {
                    let prompt = name == "prompt" ? "" : #""prompt": "a", "#
                    let kind = name == "kind" ? "" : #""kind": "video", "#
                    let line = "{\(prompt)\(kind)\"\(name)\": \(value)}"
                    let error = #expect(throws: ManifestError.self, "\(line.prefix(80))") {
                        try Manifest(Array(line.utf8), format: .jsonLines, model: model)
                    }
                    let own = field.name(for: .manifest)
                    #expect(
                        error?.faults.contains { $0.field == own || $0.field == name } == true, "\(line.prefix(80))")
                }
            }
        }
        #expect(
            Set(Manifest.fieldNames) == Set(RequestFields.taken(by: .manifest).compactMap { $0.name(for: .manifest) }))
    }

    @Test func theDocumentSaysTheSameLimits() async throws {
        try await TestServer.run { server in
            let document = try JSON(parsing: try await server.client.get("/openapi.json").body)
            let tools = try JSON(
                parsing: try await server.client.post("/mcp", #"{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}"#)
                    .body)
            for route in Self.routes {
                let properties = document["components"]?["schemas"]?[route.schema]?["properties"]
                for field in RequestFields.taken(by: route.taker)
                where field != RequestFields.model || route.taker != .webUI {
                    let name = try #require(field.name(for: route.taker))
                    try Self.expectLimits(of: field, for: route.taker, in: properties?[name], "\(route.schema) \(name)")
                    for other in field.allNames(for: route.taker) {
                        #expect(properties?[other] != nil, "\(route.schema) \(other)")
                    }
                }
            }
            for (tool, taker) in [("generate_image", RequestField.Taker.image), ("generate_video", .video)] {
                let found = tools["result"]?["tools"]?.array?.first { $0["name"]?.string == tool }
                let properties = found?["inputSchema"]?["properties"]
                for field in RequestFields.taken(by: taker) where field != RequestFields.previews {
                    let name = try #require(field.name(for: taker))
                    try Self.expectLimits(of: field, for: taker, in: properties?[name], "\(tool) \(name)")
                }
            }
        }
    }

    private static func expectLimits(
        of field: RequestField, for taker: RequestField.Taker, in schema: JSON?, _ place: String
    ) throws {
        let schema = try #require(schema, "\(place) is missing")
        #expect(schema["description"]?.string == field.documentation)
        #expect(schema["default"] == field.initial)
        switch field.content {
        case .integer(let range):
            #expect(schema["type"] == "integer")
            let isDrawn = field == RequestFields.seed
            #expect(schema["minimum"]?.integer == (isDrawn ? -1 : range.lowerBound), "\(place)")
            #expect(schema["maximum"]?.integer == range.upperBound, "\(place)")
        case .number(let range):
            #expect(schema["type"] == "number")
            #expect(schema["minimum"]?.number == range.lowerBound)
            #expect(schema["maximum"]?.number == range.upperBound)
        case .text(let longest): #expect(schema["maxLength"]?.integer == longest, "\(place)")
        case .loras: #expect(schema["items"] != nil && schema["maxItems"]?.integer == GenerationRequest.mostLoRAs)
        case .name, .choice, .size, .seconds, .seeds, .picture, .pictures: #expect(schema["type"] != nil, "\(place)")
        }
    }

    /// The engine's own checks stand behind all of them: a job of another door meets the same limits.
    @Test func theEngineHasTheSameLimits() throws {
        let model = try FakeModel.pipeline()
        var request = GenerationRequest(kind: .image, prompt: "a", model: model.id, width: 64, height: 48)
        request.seed = UInt64(RequestFields.seeds.upperBound)
        #expect(try request.validate(for: model) == 4)
        request.count = 2
        #expect(throws: ServingError.self) { try request.validate(for: model) }
        request.seed -= 1
        #expect(try request.validate(for: model) == 4)
        request.guidanceScale = Float(RequestFields.scales.upperBound)
        #expect(try request.validate(for: model) == 4)
        request.guidanceScale = Float(RequestFields.scales.upperBound) + 1
        #expect(throws: ServingError.self) { try request.validate(for: model) }
    }
}
